/**
 * Gathers calls: `work` runs once however often it was asked for, in an animation frame at least `interval`
 * milliseconds after the last one; within half a second where no frames come (a hidden window).
 */
export function gathered(work: () => void, interval: number): () => void {
  let due = false;
  let last = -Infinity;
  return () => {
    if (due) return;
    due = true;
    setTimeout(
      () =>
        nextFrame(() => {
          due = false;
          last = performance.now();
          work();
        }),
      Math.max(0, last + interval - performance.now()),
    );
  };
}

const LONGEST_WAIT = 500;

function nextFrame(work: () => void): void {
  if (typeof requestAnimationFrame !== 'function') return work();
  let done = false;
  const once = (): void => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    work();
  };
  const timer = setTimeout(once, LONGEST_WAIT);
  requestAnimationFrame(once);
}
