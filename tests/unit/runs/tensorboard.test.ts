import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { maskedCrc } from '../../../src-main/formats/event-file.ts';
import type { HistoryRow } from '../../../src-main/protocol/events.ts';
import { exportHistory, historyText } from '../../../src-main/runs/history-export.ts';
import { openHistory, readHistory, truncateHistory } from '../../../src-main/runs/history.ts';
import { openEvents } from '../../../src-main/runs/tensorboard.ts';
import { epochRow, newRun, stepRow } from './state.ts';

/** Scalars of an event file as `step tag value`, each record's checksums checked; a cut record ends it. */
function scalarsIn(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc(bytes.subarray(at, at + 8)));
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc(data));
    const event = fieldsOf(data);
    const step = Number(event.find(([field]) => field === 2)?.[1] ?? 0);
    for (const [field, summary] of event) {
      if (field !== 5) continue;
      for (const [, value] of fieldsOf(summary as Buffer)) {
        const [[, tag], [, number]] = fieldsOf(value as Buffer);
        found.push(`${step} ${(tag as Buffer).toString()} ${Number((number as Buffer).readFloatLE().toPrecision(6))}`);
      }
    }
    at += 16 + length;
  }
  return found;
}

function fieldsOf(bytes: Buffer): [field: number, value: number | Buffer][] {
  const fields: [number, number | Buffer][] = [];
  let at = 0;
  const varint = (): number => {
    let [value, scale] = [0, 1];
    for (; bytes[at] >= 128; at++, scale *= 128) value += (bytes[at] - 128) * scale;
    return value + bytes[at++] * scale;
  };
  const take = (length: number): Buffer => bytes.subarray(at, (at += length));
  while (at < bytes.length) {
    const key = varint();
    const wire = key & 7;
    fields.push([key >> 3, wire === 0 ? varint() : take(wire === 1 ? 8 : wire === 5 ? 4 : varint())]);
  }
  return fields;
}

function runWith(rows: HistoryRow[]): string {
  const run = newRun();
  const history = openHistory(run);
  history.append(rows);
  history.close();
  return run;
}

const eventsIn = (run: string): Buffer => {
  const names = readdirSync(join(run, 'tensorboard'));
  expect(names.length).toBe(1);
  return readFileSync(join(run, 'tensorboard', names[0]));
};
const losses = (run: string) => scalarsIn(eventsIn(run)).filter((line) => / train\/loss /.test(line));

describe('event files', () => {
  it('have checksums as TensorFlow makes them', () => {
    // The check value of CRC-32C is e3069283.
    const crc = 0xe3069283;
    expect(maskedCrc(Buffer.from('123456789'))).toBe((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  });

  it('hold the numbers of steps and epochs, and nothing that is not there', () => {
    const run = runWith([stepRow(3_000_000_000), { ...epochRow(0), testEma: { loss: 1, acc1: 61.5, acc5: 91 } }]);
    openEvents(run).close();
    const found = scalarsIn(eventsIn(run));
    expect(found).toContain('3000000000 train/loss 2');
    expect(found).toContain('3000000000 train/lr 0.001');
    expect(found).toContain('10 test/acc1 50');
    expect(found).toContain('10 test_ema/acc1 61.5');
    expect(found.some((line) => line.includes('teacher_ms'))).toBe(false);
  });

  it('go on with what is reported, and have no step twice after a rewind or a kill', () => {
    const run = runWith([stepRow(1), stepRow(2)]);
    const events = openEvents(run, 1e12);
    const history = openHistory(run);
    history.append([stepRow(3)]);
    events.append([stepRow(3)]);
    // Killed before the event was written, in the middle of a record.
    history.append([stepRow(4)]);
    history.close();
    events.close();
    const [name] = readdirSync(join(run, 'tensorboard'));
    writeFileSync(join(run, 'tensorboard', name), eventsIn(run).subarray(0, -3));
    openEvents(run, 1e12 + 5000).close();
    expect(losses(run)).toEqual([1, 2, 3, 4].map((step) => `${step} train/loss 2`));
    truncateHistory(run, { step: 2, epoch: 0 });
    const again = openEvents(run, 1e12 + 9000);
    again.append([{ ...stepRow(3), loss: 1.5 }]);
    again.close();
    expect(losses(run)).toEqual(['1 train/loss 2', '2 train/loss 2', '3 train/loss 1.5']);
  });
});

describe('a history in other formats', () => {
  it('is a table of epochs or steps', () => {
    const run = runWith([stepRow(1), stepRow(2), epochRow(0)]);
    const [head, first, ...rest] = historyText(run, 'csv', 'steps').trim().split('\n');
    expect(head).toMatch(/^time,epoch,step,train\/loss,train\/loss_class,/);
    expect(first).toMatch(/^2001-09-09T01:46:40\.001Z,0,1,2,1\.5,2\.5,0\.001,30,1,,900,,,,1000000000/);
    expect(rest.length).toBe(1);
    expect(historyText(run, 'csv', 'epochs')).toMatch(/test\/acc1/);
    expect(historyText(run, 'jsonl', 'steps')).toBe(readFileSync(join(run, 'history.jsonl'), 'utf8'));
    expect(historyText(run, 'log', 'steps')).toBe(readFileSync(join(run, 'log.txt'), 'utf8'));
  });

  it('is written into the exports of the run, or where a person says', async () => {
    const run = runWith([stepRow(1), epochRow(0)]);
    const csv = await exportHistory(run, { format: 'csv' });
    expect(csv.path).toBe(join(run, 'exports/epochs.csv'));
    const { path, bytes } = await exportHistory(run, { format: 'tensorboard', output: join(run, 'deep/er') });
    expect(path).toMatch(/deep\/er\/events\.out\.tfevents\.\d{10}\.stillhouse\.\d+$/);
    expect(readFileSync(path).length).toBe(bytes);
    expect(scalarsIn(readFileSync(path))).toContain('1 train/loss 2');
    expect(readHistory(run).length).toBe(2);
  });
});
