import { BalancedGradients } from '../../wgsl/image/balance-gradients.ts';
import type { Objective, ObjectiveFactory, Picture } from './objectives.ts';

/**
 * Two objectives in a fixed ratio: their image gradients are added as ∇a/‖∇a‖ + weight·∇b/‖∇b‖, per step. Adam adapts to the
 * magnitude of a gradient, so the sum of two losses would leave the ratio to chance: the weight means how much of b the result has.
 */
export function balancedObjective(
  a: ObjectiveFactory,
  b: ObjectiveFactory,
  weight: number,
): ObjectiveFactory {
  return async (gpu, arena, picture) => {
    const part = async (make: ObjectiveFactory, label: string) => {
      const gradient = arena.buffer(`${label}/gradient`, 16 * picture.width * picture.height);
      const own: Picture = { ...picture, gradient };
      return { gradient, objective: await make(gpu, arena, own) };
    };
    const parts = [await part(a, 'balanced/a'), await part(b, 'balanced/b')];
    const [first, second] = parts.map(({ gradient }) => gradient);
    const balance = await BalancedGradients.create(
      arena,
      { first, second, gradient: picture.gradient },
      weight,
    );
    return {
      overwrites: true,
      prepare(step, view, background) {
        for (const { objective } of parts) objective.prepare(step, view, background);
        balance.setPixels(view.camera.width * view.camera.height);
      },
      record(recorder, view) {
        const { width, height } = view.camera;
        for (const { objective, gradient } of parts) {
          if (!objective.overwrites) recorder.clear(gradient, 0, 16 * width * height);
          objective.record(recorder, view);
        }
        balance.record(recorder);
      },
      metrics: parts.flatMap(({ objective }) => objective.metrics),
    } satisfies Objective;
  };
}
