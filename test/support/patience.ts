/** The end of every test's patience: what has not come by then will not come, and the test fails with what it knows. */
export const patienceMs = 60_000

/** @param describe says what is missing, when it is. @throws when the promise has not settled in time. */
export async function inTime<T>(promise: Promise<T>, describe: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not in ${patienceMs / 1000} s: ${describe()}`)), patienceMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
