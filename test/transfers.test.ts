import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PlannedStage } from '../pipeline/file/plan.ts';
import { RESULTS, RESUME } from '../pipeline/run/artefacts.ts';
import { Ledger } from '../wgsl/core/index.ts';
import { fakeStages } from './helpers/fake-stages.ts';
import { unexpectedTransfers } from './helpers/transfers.ts';

const planned: PlannedStage[] = fakeStages.map((stage) => ({
  id: stage.name,
  stage,
  options: {},
  place: { file: 'p.yaml' },
}));

function unexpected(fill: (ledger: Ledger) => void): string[] {
  const ledger = new Ledger();
  fill(ledger);
  return unexpectedTransfers(ledger.rows(), planned).map(
    ({ stage, direction, purpose }) => `${stage} ${direction} ${purpose}`,
  );
}

function book(
  ledger: Ledger,
  stage: string,
  direction: 'up' | 'down',
  purpose: Parameters<Ledger['add']>[1],
  bytes: number,
) {
  ledger.stage = stage;
  ledger.add(direction, purpose, bytes);
}

test('an ordinary run transfers nothing unexpected', () => {
  const rows = unexpected((ledger) => {
    book(ledger, 'load', 'up', 'images', 1e8);
    book(ledger, 'init', 'up', 'points', 1e7);
    book(ledger, 'train', 'up', 'parameters', 400);
    book(ledger, 'train', 'down', 'metrics', 16);
    book(ledger, 'train', 'down', 'checkpoints', 1e9);
    book(ledger, 'stylize', 'up', 'weights', 1e8);
    book(ledger, 'score', 'down', 'frames', 1e8);
    book(ledger, RESUME, 'up', 'checkpoints', 1e9);
    book(ledger, RESULTS, 'down', 'splat-out', 1e9);
  });
  assert.equal(rows, []);
});

test('scene data that is transferred between the stages is detected', () => {
  const rows = unexpected((ledger) => {
    book(ledger, 'train', 'up', 'images', 4);
    book(ledger, 'train', 'up', 'points', 4);
    book(ledger, 'stylize', 'down', 'splat-out', 4);
    book(ledger, 'score', 'down', 'test', 4);
    book(ledger, 'load', 'down', 'frames', 4);
    book(ledger, RESULTS, 'down', 'checkpoints', 4);
  });
  assert.is(rows.length, 6);
});

test('scene data under the purpose of metrics is detected by its size', () => {
  assert.equal(
    unexpected((ledger) => book(ledger, 'train', 'down', 'metrics', 1e7)),
    ['train down metrics'],
  );
});

test('one large transfer does not hide among many small ones', () => {
  const many = (ledger: Ledger) => {
    for (let i = 0; i < 1000; i++) book(ledger, 'train', 'down', 'metrics', 16);
  };
  assert.equal(unexpected(many), []);
  assert.equal(
    unexpected((ledger) => {
      many(ledger);
      book(ledger, 'train', 'down', 'metrics', 1e6);
      many(ledger);
    }),
    ['train down metrics'],
  );
});

test.run();
