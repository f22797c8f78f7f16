import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/** The scripts of `setup` are plain JavaScript that nothing imports: this one is asked as a program. */
const MODULE = fileURLToPath(new URL('../../../src-main/setup/test-report.mjs', import.meta.url));

function ask(expression: string, given: unknown): unknown {
  const script = `import * as report from ${JSON.stringify(MODULE)};
    const given = ${JSON.stringify(given)};
    process.stdout.write(JSON.stringify(${expression}));`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }));
}

describe("the end of npm test's log", () => {
  test('names each failed test of Vitest, a file that did not load, and what took longest', () => {
    const one = { status: 'passed', fullName: 'a run ends', failureMessages: [] };
    const bad = {
      status: 'failed',
      fullName: 'a run goes on',
      failureMessages: ['\u001b[31mError\u001b[39m: no\nat x'],
    };
    const testResults = [
      { name: '/house/tests/a.test.ts', status: 'failed', assertionResults: [one, bad], startTime: 0, endTime: 1500 },
      { name: '/house/tests/b.test.ts', status: 'failed', message: 'Cannot find module', assertionResults: [], startTime: 0, endTime: 20 }, // prettier-ignore
    ];
    expect(ask("report.readVitest(given, '/house/')", { testResults })).toEqual({
      passed: 1,
      failed: [
        { name: 'tests/a.test.ts > a run goes on', why: 'Error: no' },
        { name: 'tests/b.test.ts', why: 'Cannot find module' },
      ],
      times: [
        { name: 'tests/a.test.ts', seconds: 1.5 },
        { name: 'tests/b.test.ts', seconds: 0.02 },
      ],
    });
  });

  test('names each failed test of Playwright by its project; what was skipped has failed', () => {
    const spec = (title: string, status: string, error?: { message: string }) => ({
      ...{ title, file: 'path.spec.ts' },
      tests: [{ projectName: 'electron', status, results: [{ duration: 250, error }] }],
    });
    const inner = { title: 'while it trains', file: 'path.spec.ts', specs: [spec('stops', 'unexpected', { message: 'late' })] }; // prettier-ignore
    const suites = [{ title: 'path.spec.ts', file: 'path.spec.ts', specs: [spec('opens', 'expected'), spec('waits', 'skipped')], suites: [inner] }]; // prettier-ignore
    expect(ask('report.readPlaywright(given)', { suites, errors: [] })).toMatchObject({
      passed: 1,
      failed: [
        { name: '[electron] path.spec.ts > waits', why: 'skipped' },
        { name: '[electron] path.spec.ts > while it trains > stops', why: 'late' },
      ],
    });
  });

  test('lists the steps first and the failures last', () => {
    const outcome = { passed: 1, failed: [{ name: 'x.test.ts > y', why: 'no' }], times: [] };
    const lines = ask('report.closingLines(given)', [{ name: 'unit', seconds: 61.25, outcome }]);
    expect(lines).toEqual([
      '',
      'Where the time went:',
      '    61.3 s  unit',
      '',
      'What failed:',
      '  unit: x.test.ts > y: no',
    ]);
  });
});
