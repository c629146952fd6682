/**
 * Programs as processes, and threads: from the build that a whole run of the tests makes first (scripts/run-tests.ts), else from the sources.
 * A guest of the build starts in half the time, and a thread of a store in less than half: to read a hundred files and to strip their types
 * costs more than most tests ask of them. The build is also what people install.
 *
 * Loaded before all tests, so that their threads too come from the build.
 */
import { existsSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import threads from 'node:worker_threads'

/** The folder of the build where it is to be used; the processes that tests start do not inherit the variable. */
const folder = process.env['OXBOW_TEST_BUILD']

/** @returns the file to start for a source file that is an entry of the build. */
function builtEntry(source: URL, name: string): string {
  const file = folder === undefined ? '' : join(folder, `${name}.js`)
  return existsSync(file) ? file : fileURLToPath(source)
}

/** `oxbow`. */
export const program: string = builtEntry(new URL('../../src/cli/main.ts', import.meta.url), 'oxbow')

/** `oxbowd`. */
export const daemonEntry: string = builtEntry(new URL('../../src/runner/daemon/main.ts', import.meta.url), 'oxbowd')

/** The hands that these programs start; undefined: they are made from the sources. */
export const handsEntry: string | undefined = folder === undefined ? undefined : join(folder, 'hands.cjs')

export const guestEntry: string = builtEntry(new URL('../../src/guest/main.ts', import.meta.url), 'guest')

/** @param source a thread, or a guest with a fault, which scripts/test-build.ts names */
export function builtFile(source: URL): string {
  return builtEntry(source, basename(source.pathname, '.ts'))
}

function builtThread(file: string | URL): string | URL {
  return file instanceof URL && file.pathname.endsWith('-worker.ts') ? builtFile(file) : file
}

if (folder !== undefined) {
  threads.Worker = new Proxy(threads.Worker, {
    construct: (worker, [file, ...rest]: [string | URL, ...unknown[]], target: NewableFunction) =>
      Reflect.construct(worker, [builtThread(file), ...rest], target) as object,
  })
  syncBuiltinESMExports()
}
