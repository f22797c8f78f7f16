import { exitProcess } from '../../src-main/runtime/tensorflow.ts';

/** Runs a bench that loads the engine, and ends the process, which the engine's threads would keep. */
export async function runMain(main: () => Promise<void>): Promise<void> {
  try {
    await main();
    exitProcess(0);
  } catch (error) {
    console.error(error);
    exitProcess(1);
  }
}
