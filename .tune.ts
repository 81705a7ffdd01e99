// Times products of wgsl/transformer/linear.wgsl in many shapes.
import { openGpu } from './wgsl/core/index.ts';
import { LINEAR } from './wgsl/transformer/product.ts';
const gpu = await openGpu({ dawn: ['disable-dawn-features=timestamp_quantization'] });
const d = gpu.device;
const qs = d.createQuerySet({ type: 'timestamp', count: 2 });
const qb = d.createBuffer({ size: 16, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
const rb = d.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
const half = new Uint16Array(2 ** 24); for (let i = 0, x = 1; i < half.length; i++) { x = (Math.imul(x, 1664525) + 1013904223) >>> 0; half[i] = ((x >>> 16) & 0x83ff) | 0x3000; }
const cfg = (s: string) => { const [FM, FN, SM, SN, SK] = s.split(',').map(Number); return { FM, FN, SM, SN, SK }; };
const small = ['1,1,1,1,8', '1,1,1,1,16', '2,1,1,1,8', '1,2,1,1,8', '2,2,1,1,8'];
const mid = ['2,2,1,1,4', '2,2,1,1,8', '2,2,1,2,2', '2,2,1,2,4', '4,2,1,1,4', '4,2,1,2,2', '4,2,1,1,8', '2,1,1,1,8', '1,2,1,1,8'];
const big = ['4,2,2,2,1', '4,2,1,2,1', '4,2,2,1,1', '4,2,1,2,2', '2,2,2,2,1', '4,2,1,1,1', '4,2,4,1,1', '4,2,1,4,1'];
const t0 = performance.now();
for (const [rows, cfgs, list] of [
  [50, small, [[768, 768], [3072, 768], [768, 3072], [2304, 768], [768, 2304]]],
  [400, mid, [[768, 768], [3072, 768], [768, 3072], [2304, 768], [768, 2304]]],
  [1576, [...mid, ...big], [[768, 768], [3072, 768], [768, 3072]]],
  [3200, big, [[768, 768], [3072, 768], [768, 3072]]],
  [16448, big, [[1024, 1024], [4096, 1024], [1024, 4096]]],
] as const) for (const [N, K] of list) {
  const out: string[] = [];
  const arena = gpu.arena('t');
  const [rt, ct, kt] = [Math.ceil(rows / 16), N / 16, K / 16];
  const a = arena.buffer('a', 512 * rt * kt); d.queue.writeBuffer(a, 0, half, 0, Math.min(half.length, 256 * rt * kt));
  const y = arena.buffer('y', 4 * rows * N); const bias = arena.buffer('bias', 4 * N); const rs = arena.buffer('rs', 4 * rows);
  const bs = Array.from({ length: 8 }, () => arena.buffer('b', 512 * kt * ct));
  for (const b of bs) d.queue.writeBuffer(b, 0, half, 77, 256 * kt * ct);
  for (const c of cfgs) {
    const s = cfg(c);
    const k = await gpu.kernel(LINEAR, { constants: { ...s, HAS_BIAS: true, HAS_ROW_SCALES: false, HAS_RESIDUAL: false, ACCUMULATES: true } });
    const u = arena.uniform('u', k.struct('Product').size);
    gpu.write(u, k.pack('Product', { rows, columns: N, depthTiles: kt, columnTiles: ct, residualStride: 1, scale: 1e-3 }), 'test');
    const bound = bs.map((b) => k.bind({ product: u, a, b, bias, rowScales: rs, residual: bias === bias ? arena.buffer('x', 16) : rs, y }));
    const g = [Math.ceil(ct / (s.FN * s.SN)), Math.ceil(rt / (s.FM * s.SM))] as const;
    let best = 1e9;
    const flop = 2 * rows * N * K;
    for (let rep = 0; rep < 4; rep++) {
      const n = rep === 0 ? Math.ceil(0.03 / (flop / 60e12)) : Math.max(6, Math.ceil(0.002 / (flop / 60e12)));
      const e = d.createCommandEncoder();
      const pass = e.beginComputePass({ timestampWrites: { querySet: qs, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } });
      pass.setPipeline(k.pipeline);
      for (let i = 0; i < Math.min(n, 4000); i++) { pass.setBindGroup(0, bound[i % 8].group); pass.dispatchWorkgroups(g[0], g[1]); }
      pass.end(); e.resolveQuerySet(qs, 0, 2, qb, 0); e.copyBufferToBuffer(qb, 0, rb, 0, 16); d.queue.submit([e.finish()]);
      await rb.mapAsync(GPUMapMode.READ); const t = new BigUint64Array(rb.getMappedRange().slice(0)); rb.unmap();
      if (rep) best = Math.min(best, Number(t[1] - t[0]) / 1e3 / Math.min(n, 4000));
    }
    out.push(`${c} ${best.toFixed(1)}µs ${(flop / best / 1e6).toFixed(0)}TF`);
  }
  arena.destroy();
  console.log(`${rows}x${N}x${K} | ${out.join(' | ')}`);
  if (performance.now() - t0 > 60000) { console.log('time'); process.exit(0); }
}
process.exit(0);
