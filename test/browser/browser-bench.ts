/** A real browser in a real sandbox behind the real egress proxy, a site on this machine that it may reach, and the calls that use it. */
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import type { RequestListener, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findBrowser } from '../../src/sandbox/browser.ts'
import { createEgressProxy } from '../../src/sandbox/egress/egress-proxy.ts'
import { makeWorkbench, type Workbench, type WorkbenchOptions } from '../../src/sandbox/sandbox-fixture.ts'
import { browserCalls } from '../../src/tools/index.ts'
import type { PageOutput } from '../../src/tools/browser/browser-page.ts'
import { systemClock } from '../../src/base/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { CallContext, Done } from '../../src/protocol/index.ts'
import { newId } from '../support/conversation.ts'

/** Why the browser cannot be tried here, or false. */
export const noBrowser: string | false = ((): string | false => {
  const found = findBrowser({ program: '' })
  return 'code' in found ? `${found.message} ${found.hint}` : false
})()

export interface Who {
  readonly agent?: string
  readonly session?: string
  readonly signal?: AbortSignal
}

export interface BrowserBench {
  readonly workbench: Workbench
  /** `http://site.test:<port>`. */
  readonly url: string
  readonly port: number
  /** Method and target of every request that reached the site. */
  readonly asked: readonly string[]
  /** Names that were looked up on behalf of the browser. */
  readonly looked: readonly string[]
  /** Makes a call as an agent would, without the gate. @returns what it gave; throws as it does */
  call(name: string, input: object, who?: Who): Promise<Done<any>>
  open(path: string, who?: Who & { newTab?: boolean }): Promise<PageOutput>
  snapshot(who?: Who): Promise<string>
  /** Clicks what the snapshot calls so, e.g. `button "Go"`. */
  click(what: string, more?: object, who?: Who): Promise<PageOutput>
  close(): Promise<void>
}

/** @returns the name of the first element whose line begins so */
export function refOf(tree: string, what: string): string {
  const line = tree.split('\n').find((each) => each.replace(/^[+ -]+/, '').startsWith(what))
  return /\[ref=(\w+)\]/.exec(line ?? '')?.[1] ?? `none: there is no ${what}`
}

/** @param prepare adds to the site what is no request. @param limits where the browser is to be, if not in the process tier */
export async function openBrowserBench(
  site: RequestListener,
  prepare: (server: Server) => void = () => undefined,
  limits: WorkbenchOptions['limits'] = {},
): Promise<BrowserBench> {
  const asked: string[] = []
  const looked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    site(request, response)
  }).listen(0, '127.0.0.1')
  prepare(server)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-browser-'))
  const allow = [`site.test:${port}`, `other.test:${port}`]
  const proxy = createEgressProxy(parseConfig({ egress: { allow } }, 'this test').egress, folder, {
    lookup(host) {
      looked.push(host)
      if (host.endsWith('.test') || host === 'localhost') return Promise.resolve(['127.0.0.1'])
      return Promise.reject(new Error('no such name'))
    },
  })
  const workbench = await makeWorkbench({ limits, egressSocket: (profile) => proxy.socket(profile) })
  const url = `http://site.test:${port}`

  const call = async (name: string, input: object, who: Who = {}): Promise<Done<any>> => {
    const found = browserCalls.find((each) => each.name === name)!
    const done: Done<any> = await found.run(found.input.parse(input), contextOf(workbench, who))
    found.output.parse(done.output)
    return done
  }
  const snapshot = async (who?: Who): Promise<string> => (await call('browser.snapshot', {}, who)).output.text
  return {
    workbench,
    url,
    port,
    asked,
    looked,
    call,
    snapshot,
    open: async (path, { newTab = false, ...who } = {}) => (await call('browser.open', { url: url + path, new_tab: newTab }, who)).output,
    click: async (what, more = {}, who) => (await call('browser.click', { ref: refOf(await snapshot(who), what), ...more }, who)).output,
    async close() {
      await workbench.sandbox.close()
      await workbench.remove()
      await proxy.close()
      await rm(folder, { recursive: true, force: true })
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}

function contextOf({ sandbox }: Workbench, { agent = 'ox', session = 's1', signal }: Who): CallContext {
  return {
    id: newId(),
    caller: {
      user: 'ann',
      actor: `agent:${agent}`,
      rights: new Set(['browser.use']),
      audience: 'model',
      session,
      turn: '',
      process: '',
    } as unknown as CallContext['caller'],
    signal: signal ?? new AbortController().signal,
    clock: systemClock,
    sandbox,
    progress: () => {},
    reserveMore: () => true,
    record: () => undefined,
    blobs: { keep: async (bytes: Uint8Array) => String(bytes.length), read: () => Promise.resolve(null) },
  } as unknown as CallContext
}

export interface HostProcess {
  readonly pid: number
  readonly command: string
  /** Lines of `/proc/<pid>/status` by their name. */
  readonly status: ReadonlyMap<string, string>
}

/** Everything that this process has started, and what that has started. */
export async function startedProcesses(): Promise<readonly HostProcess[]> {
  const all = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(readProcess))
  const found = all.filter((each) => each !== null)
  const ours = new Set([process.pid])
  // A parent may have any number, so this goes on until nothing is added.
  for (let before = 0; before !== ours.size;) {
    before = ours.size
    for (const { pid, status } of found) if (ours.has(Number(status.get('PPid')))) ours.add(pid)
  }
  return found.filter(({ pid }) => pid !== process.pid && ours.has(pid))
}

export async function chromiumProcesses(): Promise<readonly HostProcess[]> {
  return (await startedProcesses()).filter(({ command }) => command.includes('--user-data-dir=') || command.includes('--type='))
}

async function readProcess(name: string): Promise<HostProcess | null> {
  const texts = await Promise.all(['cmdline', 'status'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => null)))
  const [command, status] = texts
  if (command === null || command === undefined || status === null || status === undefined) return null
  const lines = status.split('\n').map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1).trim()] as const)
  return { pid: Number(name), command: command.replaceAll('\0', ' '), status: new Map(lines) }
}
