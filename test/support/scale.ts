/** How much a run of the tests tries: `npm test` a sample that finds what is broken, `npm run test:full` everything. */

export const isFull: boolean = process.env['OXBOW_TEST_SCALE'] === 'full'

/** @param inFull in `npm run test:full` @param sample in `npm test`, an eighth unless given */
export function scaled(inFull: number, sample: number = Math.max(1, Math.ceil(inFull / 8))): number {
  return isFull ? inFull : sample
}

/**
 * What random cases begin with: where `CI` is set always the same, so that what fails there fails because of the change, and another elsewhere.
 * `OXBOW_SEED=N` repeats a run.
 */
export const seed: number = Number(process.env['OXBOW_SEED'] ?? (process.env['CI'] === undefined ? Date.now() % 2 ** 31 : 20_261_121))

/** CI runs a quarter of the long series: `OXBOW_TEST_SERIES=short`. */
export const isShortSeries: boolean = process.env['OXBOW_TEST_SERIES'] === 'short'

/** A series that takes hours: all of it with `OXBOW_TEST_SERIES=long`, a tenth in the full tests, a fortieth in CI. */
export function longSeries(all: number): number {
  if (process.env['OXBOW_TEST_SERIES'] === 'long') return all
  return Math.ceil(all / (isShortSeries ? 40 : 10))
}

/** A series of kills or attacks, each of which stands for all: as `scaled`, and shorter in CI. */
export function series(inFull: number, sample?: number): number {
  const all = scaled(inFull, sample)
  return isFull && isShortSeries ? Math.ceil(all / 4) : all
}
