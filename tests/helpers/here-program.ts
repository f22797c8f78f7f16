/** What of a job process `jobs-here.ts` has in its own: one bundle, for there is one engine in a process. */
export { loadEngine } from '../../src-main/engines/load.ts';
export { recordInference } from '../../src-main/exports/recording.ts';
export { ownedJob } from '../../src-main/jobs/job-process.ts';
export { serveLine } from '../../src-main/job-process/serve-line.ts';
export { createModel } from '../../src-main/model/zoo.ts';
export { Interruptions } from '../../src-main/shells/cli/interruptions.ts';
export { runCli } from '../../src-main/shells/cli/main.ts';
