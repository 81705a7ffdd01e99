// The import rules of docs/architecture.md.
const rule = (name, from, to, comment) => ({ name, severity: 'error', comment, from, to });

export default {
  forbidden: [
    rule('no-cycles', {}, { circular: true }, 'A module that needs itself cannot be read alone.'),
    rule(
      'wgsl-stands-alone',
      { path: '^wgsl/' },
      { path: '^(pipeline|stages|scenes|test)/' },
      'The GPU library knows nothing of files or stages.',
    ),
    rule(
      'wgsl-needs-no-node',
      { path: '^wgsl/', pathNot: '^wgsl/core/(open|source)\\.ts$' },
      { dependencyTypes: ['core'] },
      'It runs in Deno and browsers too.',
    ),
    rule(
      'core-first',
      { path: '^wgsl/core/' },
      { path: '^wgsl/(?!core/|shared/)' },
      'The device layer knows no kernel.',
    ),
    rule(
      'families-apart',
      { path: '^wgsl/(sort|image|optim|nn)/' },
      { path: '^wgsl/', pathNot: '^wgsl/($1|core)/' },
      'A family of kernels stands alone; only splat stands on another, sort.',
    ),
    rule(
      'splat-on-sort',
      { path: '^wgsl/splat/' },
      { path: '^wgsl/', pathNot: '^wgsl/(splat|sort|core)/' },
      'The rasteriser sorts; it needs no other family.',
    ),
    rule(
      'kernel-table-aside',
      { path: '^(pipeline|stages|wgsl|scenes)/' },
      { path: '^wgsl/kernels\\.ts$' },
      'The table imports all kernels. A stage depends on its own alone, and so does the hash of its code.',
    ),
    rule(
      'store-stands-alone',
      { path: '^pipeline/store/' },
      { path: '^(pipeline/(?!store/|hash\\.ts$)|stages/(?!checkpoints\\.ts$))' },
      'The store knows no stage and no run.',
    ),
    rule(
      'files-below-keys',
      { path: '^pipeline/file/' },
      { path: '^pipeline/(?!file/)' },
      'Reading a file knows nothing of running it.',
    ),
    rule(
      'starter-knows-files',
      { path: '^pipeline/starter/' },
      { path: '^pipeline/(?!starter/|file/|(exit|hash)\\.ts$)' },
      'Writing a pipeline file needs no run.',
    ),
    rule(
      'keys-below-runs',
      { path: '^pipeline/keys/' },
      { path: '^pipeline/(?!keys/|file/|hash\\.ts$)' },
      'What a result depends on knows nothing of keeping it.',
    ),
    rule(
      'commands-on-top',
      { path: '^pipeline/(?!cli/|splatline\\.mjs$|build\\.mjs$)' },
      { path: '^pipeline/cli/' },
      'The command line stands on everything; nothing stands on it.',
    ),
    rule(
      'view-on-reports',
      { path: '^pipeline/(?!cli/|view/)' },
      { path: '^pipeline/view/' },
      'The server shows what runs leave; only the command line knows it.',
    ),
    rule(
      'view-only-reads',
      { path: '^pipeline/view/' },
      {
        path: '^pipeline/',
        pathNot:
          '^pipeline/(view/|report/|matrix/record\\.ts$|run/(live-log|manifest|metrics-log|run-folder)\\.ts$|store/(disk|lock)\\.ts$)',
      },
      'A server starts no run and opens no store.',
    ),
    rule(
      'stages-below-pipeline',
      { path: '^stages/' },
      { path: '^(pipeline|scenes|test)/' },
      'Stages know nothing of the runner.',
    ),
    rule(
      'stages-apart',
      { path: '^stages/(?!artefacts/|clip/|losses/|optimizer/|regions/)([^/]+)/' },
      {
        path: '^stages/',
        pathNot: '^stages/($1|artefacts|clip|losses|optimizer|regions)/|^stages/(stage|checkpoints)\\.ts$',
      },
      'A stage never imports another stage.',
    ),
    rule(
      'artefacts-below-stages',
      { path: '^stages/artefacts/' },
      { path: '^stages/(?!artefacts/|stage\\.ts$)' },
      'What stages share knows no stage.',
    ),
    rule(
      'clip-below-stages',
      { path: '^stages/clip/' },
      { path: '^stages/(?!clip/|artefacts/|stage\\.ts$)' },
      'A model knows no stage.',
    ),
    rule(
      'optimizer-below-stages',
      { path: '^stages/optimizer/' },
      { path: '^stages/(?!optimizer/|clip/|artefacts/|(stage|checkpoints)\\.ts$)' },
      'What train and stylize share knows neither.',
    ),
    rule(
      'regions-below-stages',
      { path: '^stages/regions/' },
      { path: '^stages/(?!regions/|artefacts/|stage\\.ts$)' },
      'A region knows no stage.',
    ),
    rule(
      'losses-below-stages',
      { path: '^stages/losses/' },
      { path: '^stages/(?!losses/|optimizer/|clip/|regions/|artefacts/|(stage|checkpoints)\\.ts$)' },
      'A loss knows no stage.',
    ),
    rule(
      'product-without-tests',
      { path: '^(pipeline|stages|wgsl|scenes)/' },
      { path: '^test/' },
      'Nothing that ships needs the tests.',
    ),
    rule(
      'few-processes',
      {
        path: '^(pipeline|stages|scenes)/',
        pathNot:
          '^(pipeline/(cli/view\\.ts|matrix/run\\.ts|run/manifest\\.ts|(setup|build)\\.mjs)|stages/sfm/colmap\\.ts)$',
      },
      { path: '^(child_process|node:child_process)$|^node_modules/zx/', dependencyTypesNot: ['type-only'] },
      'The product starts the cells of a matrix, git, COLMAP and the browser, set-up and build their tools, and nothing else starts a process.',
    ),
    rule(
      'declared-packages',
      { path: '^(pipeline|stages|wgsl)/', pathNot: '^pipeline/build\\.mjs$' },
      {
        path: '^node_modules/',
        // These are part of the build: see INLINED and VENDORED in pipeline/build.mjs.
        pathNot:
          '^node_modules/(@clack/prompts|@huggingface/hub|cli-truncate|commander|es-module-lexer|fastest-levenshtein|log-update|send|uplot|wgsl_reflect|yaml|zod|@playcanvas/splat-transform)/',
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
      },
      'What ships lists what it needs.',
    ),
    rule('resolvable', {}, { couldNotResolve: true, pathNot: '/dist/' }, 'An import must lead somewhere.'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.mjs', '.js', '.d.ts'],
    },
    moduleSystems: ['es6', 'tsd'],
  },
};
