/**
 * Writes the generated pages of `docs/`: errors, configuration, calls, the command line, transports; and the types of the outputs of calls.
 * With `--check` it writes nothing, names what differs from its source and exits with 1; `test/docs.test.ts` holds the same.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { buildProgram } from '../src/cli/program.ts'
import { loadServiceVerbs } from '../src/cli/service-verbs.ts'
import { describedCalls } from '../src/guest/offline.ts'
import { describeCall } from '../src/kernel/index.ts'
import { deliveryCalls } from '../src/plugins/parts/delivery-calls.ts'
import { modelCall } from '../src/plugins/parts/model-call.ts'
import { routeCall } from '../src/plugins/parts/route-call.ts'
import { turnCalls } from '../src/plugins/parts/turn-calls.ts'
import { parseConfig } from '../src/services/index.ts'
import { callPage } from './docs/call-page.ts'
import { cliPage } from './docs/cli-page.ts'
import { configurationPage } from './docs/configuration-page.ts'
import { errorPage } from './docs/error-page.ts'
import { controlPage } from './docs/control-page.ts'
import { transportPage } from './docs/transport-page.ts'
import { framePage } from './docs/frame-page.ts'
import { callNames, callTypes } from './docs/call-types.ts'
import { routePage } from './docs/route-page.ts'

export interface Page {
  /** From the root of the repository. */
  readonly path: string
  readonly text: string
}

const root = new URL('..', import.meta.url)

/** What plugins have around turns is there only with a plugin, and always under the same names. */
const callsOfParts = () => [
  ...turnCalls({} as never),
  ...deliveryCalls({} as never, new Map()),
  routeCall({} as never),
  modelCall({} as never),
]

const silent = { output: process.stdout, errors: process.stderr, input: process.stdin, env: {}, version: '' }

async function generatePages(): Promise<readonly Page[]> {
  const config = parseConfig({}, 'the defaults')
  const calls = await describedCalls(config)
  return [
    { path: 'docs/calls.md', text: callPage(calls.map(describeCall)) },
    { path: 'docs/cli.md', text: cliPage(buildProgram(silent, () => {}, await loadServiceVerbs(null))) },
    { path: 'docs/errors.md', text: errorPage() },
    { path: 'docs/control-socket.md', text: controlPage() },
    { path: 'docs/frames.md', text: framePage() },
    { path: 'docs/http-routes.md', text: routePage(calls.map(describeCall)) },
    { path: 'docs/configuration.md', text: configurationPage() },
    { path: 'docs/transports.md', text: transportPage() },
    { path: 'src/protocol/call-types.ts', text: callTypes(calls) },
    { path: 'src/protocol/call-names.ts', text: callNames([...calls, ...callsOfParts()]) },
  ]
}

/** @returns the paths of pages that are missing or differ from their source. */
export async function stalePages(): Promise<readonly string[]> {
  const stale = await Promise.all((await generatePages()).map(async ({ path, text }) => ((await readPage(path)) === text ? [] : [path])))
  return stale.flat()
}

async function readPage(path: string): Promise<string | null> {
  return readFile(new URL(path, root), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
}

async function main(): Promise<void> {
  if (!process.argv.includes('--check')) {
    for (const { path, text } of await generatePages()) await writeFile(new URL(path, root), text)
    return
  }
  const stale = await stalePages()
  if (stale.length === 0) return
  process.exitCode = 1
  process.stderr.write(`Not as their source says: ${stale.join(', ')}. Run: node scripts/generate-docs.ts\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
