/** Root may read everything, so for this long the process is not root. */
export async function asNobody<Result>(body: () => Promise<Result>): Promise<Result> {
  if (process.getuid?.() !== 0) return body();
  process.seteuid!(65534);
  try {
    return await body();
  } finally {
    process.seteuid!(0);
  }
}
