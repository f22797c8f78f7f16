const LONGEST_WAIT = 500;

/**
 * Gathers calls: `work` runs once in the next animation frame however often it was asked for, and within half a
 * second where no frames come (a hidden window).
 */
export function oncePerFrame(work: () => void): () => void {
  let frame = 0;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const run = (): void => {
    if (timer === null) return;
    clearTimeout(timer);
    timer = null;
    if (frame) cancelAnimationFrame(frame);
    frame = 0;
    work();
  };
  return () => {
    if (timer !== null) return;
    timer = setTimeout(run, LONGEST_WAIT);
    if (typeof requestAnimationFrame === 'function') frame = requestAnimationFrame(run);
  };
}
