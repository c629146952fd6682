/**
 * Loaded before all tests: where `CI` is set, properties draw the same cases in every run, so that what is red there is red because of the
 * change. Elsewhere they draw new ones each time, and a failure prints its seed; `OXBOW_SEED=N` repeats it, or another set in CI.
 */
import { configureGlobal } from 'fast-check'
import { seed } from './scale.ts'

if (process.env['OXBOW_SEED'] !== undefined || process.env['CI'] !== undefined) configureGlobal({ seed })
