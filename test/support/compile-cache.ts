/**
 * Code that was compiled once is compiled for all: a worker of a store strips types from eighty files, which costs more than all that most
 * tests ask of it. Loaded before all tests, for the threads and processes that inherit the environment of the tests. Not for the process of
 * the tests itself: what came from a cache is not counted block by block, and a fuzzer follows its blocks.
 */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Next to the caches of other tools, so that no test leaves anything behind. */
export const compileCache: string = fileURLToPath(new URL('../../node_modules/.cache/oxbow-test-code', import.meta.url))

/** Gives a home that has not been opened yet the cache of all, where it would have an empty one of its own. */
export function shareCompileCache(home: string): void {
  for (const folder of [compileCache, join(home, 'runner')]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  symlinkSync(compileCache, join(home, 'runner', 'compile-cache'))
}

process.env['NODE_COMPILE_CACHE'] ??= compileCache
