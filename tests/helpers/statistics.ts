/** Kolmogorov–Smirnov: greatest distance of a sample's distribution from `cdf`, scaled so that 1.95 is rejected at 0.1 %. */
export function ksStatistic(sample: ArrayLike<number>, cdf: (x: number) => number): number {
  const sorted = Float64Array.from(sample).sort();
  let distance = 0;
  sorted.forEach((value, index) => {
    const expected = cdf(value);
    distance = Math.max(distance, (index + 1) / sorted.length - expected, expected - index / sorted.length);
  });
  return distance * Math.sqrt(sorted.length);
}

/** Chi-square of counts against expected ones, as its distance from its mean in deviations: 4 is far out. */
export function chiSquareDeviation(counts: ArrayLike<number>, expected: (index: number) => number): number {
  const degrees = counts.length - 1;
  const sum = Array.from(counts).reduce((total, count, at) => total + (count - expected(at)) ** 2 / expected(at), 0);
  return (sum - degrees) / Math.sqrt(2 * degrees);
}

/** Pearson's correlation of two samples of equal length. */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, v) => sum + v, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let at = 0; at < a.length; at++) {
    const [x, y] = [a[at] - meanA, b[at] - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}
