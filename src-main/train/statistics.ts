/** Statistics of studies. Checked against SciPy (`tests/fixtures/statistics`). */

/** Computes the mean, and the sample std with n − 1, which is null of fewer than two numbers. */
export function spreadOf(values: readonly number[]): { mean: number; std: number | null; values: number[] } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, std: null, values: [...values] };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: Math.sqrt(squares / (values.length - 1)), values: [...values] };
}

/**
 * Computes the confidence interval of a mean by Student's t.
 * @param level from 0 to 1.
 * @returns null of fewer than two numbers.
 */
export function meanInterval(values: readonly number[], level = 0.95): { from: number; to: number } | null {
  const { mean, std } = spreadOf(values);
  if (std === null) return null;
  const half = (studentQuantile((1 + level) / 2, values.length - 1) * std) / Math.sqrt(values.length);
  return { from: mean - half, to: mean + half };
}

/**
 * Computes the two-sided exact p of McNemar's test: how likely so uneven a split of the images on which two models
 * differ is, were both equally good.
 * @param gained images that only the second decides right.
 * @param lost images that only the first decides right.
 */
export function mcnemar(gained: number, lost: number): number {
  const count = gained + lost;
  if (count === 0) return 1;
  // The terms of the binomial distribution of a fair coin, each from the one before.
  let [term, sum] = [-count * Math.LN2, 0];
  for (let k = 0; k <= Math.min(gained, lost); k++) {
    sum += Math.exp(term);
    term += Math.log((count - k) / (k + 1));
  }
  return Math.min(1, 2 * sum);
}

/** Finds t below which Student's distribution holds a share of `p`, from 0.5 to 1, by halving an interval. */
function studentQuantile(p: number, degrees: number): number {
  let [low, high] = [0, 1];
  while (studentShare(high, degrees) < p) high *= 2;
  for (let halving = 0; halving < 100; halving++) {
    const middle = (low + high) / 2;
    if (studentShare(middle, degrees) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Computes Student's distribution function for t ≥ 0 and whole degrees of freedom (Abramowitz & Stegun 26.7.3, 26.7.4). */
function studentShare(t: number, degrees: number): number {
  const angle = Math.atan(t / Math.sqrt(degrees));
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const odd = degrees % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let k = odd ? 2 : 1; k <= degrees - 3; k += 2) {
    term *= (k / (k + 1)) * cosine * cosine;
    sum += term;
  }
  const within = odd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
  return 0.5 + within / 2;
}
