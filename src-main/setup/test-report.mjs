/**
 * What the reports of the test runners say. Vitest: `testResults`, one a file, with `assertionResults`. Playwright:
 * `suites` of suites with `specs`, each with `tests`, one a project.
 */

/**
 * @typedef {object} Outcome
 * @property {number} passed
 * @property {{ name: string, why: string }[]} failed each by a name that finds it, with the first line of the reason
 * @property {{ name: string, seconds: number }[]} times what took how long
 */

/** Reads Vitest's JSON report. A file that did not load is one failure. @returns {Outcome} */
export function readVitest({ testResults }, root) {
  const outcome = { passed: 0, failed: [], times: [] };
  for (const { name, status, message, assertionResults, startTime, endTime } of testResults) {
    const file = shortened(name, root);
    outcome.times.push({ name: file, seconds: (endTime - startTime) / 1000 });
    const bad = assertionResults.filter((test) => test.status !== 'passed');
    outcome.passed += assertionResults.length - bad.length;
    for (const test of bad)
      outcome.failed.push({
        name: `${file} > ${test.fullName}`,
        why: firstLine(test.failureMessages?.[0], test.status),
      });
    if (status === 'failed' && bad.length === 0) outcome.failed.push({ name: file, why: firstLine(message, status) });
  }
  return outcome;
}

/** Reads Playwright's JSON report. What was skipped or passed at the second try has failed. @returns {Outcome} */
export function readPlaywright({ suites = [], errors = [] }) {
  const outcome = { passed: 0, failed: [], times: [] };
  const read = (suite, titles) => {
    const path = suite.title === suite.file ? titles : [...titles, suite.title];
    for (const spec of suite.specs ?? [])
      for (const test of spec.tests) {
        const name = `[${test.projectName}] ${[spec.file, ...path, spec.title].join(' > ')}`;
        const seconds = test.results.reduce((sum, { duration }) => sum + duration, 0) / 1000;
        outcome.times.push({ name, seconds });
        if (test.status === 'expected') outcome.passed++;
        else outcome.failed.push({ name, why: firstLine(test.results.at(-1)?.error?.message, test.status) });
      }
    for (const inner of suite.suites ?? []) read(inner, path);
  };
  for (const suite of suites) read(suite, []);
  for (const { message } of errors) outcome.failed.push({ name: 'Playwright', why: firstLine(message, 'error') });
  return outcome;
}

function shortened(path, root) {
  return path.startsWith(root) ? path.slice(root.length).replace(/^[\\/]/, '') : path;
}

function firstLine(text, otherwise) {
  const plain = (text ?? '').replace(/\u001b\[[0-9;]*m/g, '').trim();
  return (plain.split('\n')[0] || otherwise).slice(0, 200);
}

/**
 * The end of the whole run for people, the failures last.
 * @param {{ name: string, seconds: number, outcome: Outcome }[]} steps
 */
export function closingLines(steps, slowest = 8) {
  const line = ({ name, seconds }) => `${seconds.toFixed(1).padStart(8)} s  ${name}`;
  const lines = ['', 'Where the time went:', ...steps.map(line)];
  for (const { name, outcome } of steps.filter(({ outcome }) => outcome.times.length > 1)) {
    const times = [...outcome.times].sort((one, other) => other.seconds - one.seconds);
    lines.push(`The longest of ${name}:`, ...times.slice(0, slowest).map(line));
  }
  const failed = steps.flatMap(({ name, outcome }) => outcome.failed.map((each) => ({ step: name, ...each })));
  if (failed.length > 0) lines.push('', 'What failed:');
  for (const { step, name, why } of failed) lines.push(`  ${step}: ${name}: ${why}`);
  return lines;
}
