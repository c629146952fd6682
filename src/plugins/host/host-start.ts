/** Starts the host of a plugin in its sandbox: with the files that were approved, its own folder, its secrets and its way to its hosts. */
import type { EgressPass, EgressProxy } from '../../sandbox/index.ts'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import type { HostedPlugin, PluginFiles, Sandbox, ServerProcess } from '../../protocol/index.ts'
import { assertRoom, fullProblem, watchData } from './data-limit.ts'
import { type HostLink, linkHost } from './host-link.ts'
import { allWritten, lastWords } from './last-words.ts'
import { defaultDataBytes, elizaCheckMs, hostCheckMs, hostStartMs, maxLogChars } from './limits.ts'

export interface HostStartDeps {
  readonly sandbox: Pick<Sandbox, 'serve'>
  /** Values of secrets, by name. */
  readonly secrets: {
    get(name: string): string | undefined
    /** @returns the text with handles in place of secrets */
    conceal?(text: string): string
  }
  /** Issues passes; absent: plugins have no network. */
  readonly proxy?: Pick<EgressProxy, 'issue'> | undefined
  readonly files: PluginFiles
  /** What each may keep there. */
  readonly maxDataBytes?: number
  /** Shortened by tests. */
  readonly checkMs?: number
  readonly startMs?: number
}

/** A start that waits is explained a moment before it is too late. */
const explainedAfter = 0.8

/**
 * Resolves when the plugin's `init` has run.
 * @param watches whether a start that hangs is explained; it costs a thread until it has started
 * @throws OxbowError; then nothing of it lives
 */
export async function startHost(
  plugin: HostedPlugin,
  deps: HostStartDeps,
  onLog: (text: string) => void,
  watches: boolean,
): Promise<HostLink> {
  const { maxDataBytes = defaultDataBytes, startMs = hostStartMs } = deps
  // Meanwhile the program starts: it loads nothing of the plugin before its first request, which waits for this.
  const checked = Promise.all([deps.files.check(plugin), assertRoom(deps.files, plugin.name, maxDataBytes)])
  checked.catch(() => undefined)
  const { server, pass } = await serveHost(plugin, deps, watches)
  const refusals = pass === null ? () => {} : noteRefusals(pass, onLog)
  let written = ''
  let isStarting = true
  server.errors.on('data', (bytes: Buffer) => {
    const text = bytes.toString()
    if (isStarting) written = `${written}${text}`.slice(-maxLogChars)
    onLog(text)
    refusals()
  })
  const link = linkHost(plugin.name, server, deps.checkMs ?? (plugin.program === 'eliza-host' ? elizaCheckMs : hostCheckMs))
  const unwatch = watchData(deps.files, plugin.name, maxDataBytes, () => void link.end(fullProblem(maxDataBytes)))
  void link.ended.then(unwatch)
  try {
    await checked
    // The greeting need not be waited for: the request waits in the pipe.
    const settings = plugin.characters === undefined ? {} : { characters: plugin.characters }
    const own_memory = !plugin.rights.includes('memory.read')
    await link.ask('start', { config: plugin.config, settings, own_memory }, { signal: new AbortController().signal, timeoutMs: startMs })
    return link
  } catch (error) {
    await link.end('it did not start')
    // What the plugin itself fails with says why.
    if (!isOxbowError(error) || error.data['lost'] !== true) throw error
    await allWritten(server)
    const words = lastWords(written)
    const hint = `oxbow plugin logs ${plugin.name} shows what it wrote.`
    throw new OxbowError(error.code, words === '' ? error.message : `${error.message} ${sentence(words)}`, {
      hint,
      data: error.data,
      cause: error,
    })
  } finally {
    isStarting = false
    written = ''
  }
}

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

interface Served {
  readonly server: ServerProcess
  readonly pass: EgressPass | null
}

const refusalsMs = 200

/** @returns has each host that was refused in the log, once, a moment after the plugin has printed something: it rarely says why a request failed */
function noteRefusals(pass: EgressPass, onLog: (text: string) => void): () => void {
  const noted = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  const look = async (): Promise<void> => {
    timer = undefined
    for (const { host, port, decision, reason } of (await pass.soFar()).rows) {
      const target = `${host}:${port}`
      if (decision !== 'refused' || noted.has(target)) continue
      noted.add(target)
      onLog(`Oxbow refused ${target}: ${reason}. Hosts of a plugin are under rights.hosts of its manifest.\n`)
    }
  }
  return () => {
    timer ??= setTimeout(() => void look().catch(() => {}), refusalsMs).unref()
  }
}

async function serveHost(
  plugin: HostedPlugin,
  { sandbox, secrets, proxy, files, maxDataBytes = defaultDataBytes, startMs = hostStartMs }: HostStartDeps,
  watches: boolean,
): Promise<Served> {
  const { name, hosts, paths, program, folder, entries } = plugin
  if (sandbox.serve === undefined) throw noSandbox(name)
  const env = Object.fromEntries(plugin.secrets.map((secret) => [secret, secrets.get(secret)]).filter(([, value]) => value !== undefined))
  const pass = hosts.length === 0 ? null : await passFor(name, hosts, proxy)
  try {
    const server = await sandbox.serve({
      own: program,
      command: 'node',
      args: [
        ...(watches && program === 'plugin-host' ? [`--watch-start=${Math.round(startMs * explainedAfter)}`] : []),
        '/opt/server',
        ...entries,
      ],
      env,
      programFolder: folder,
      folders: paths.map(({ path, writable }) => ({ path, writable })),
      pass: pass?.token ?? null,
      state: files.state(name),
      maxFileMb: Math.max(1, Math.floor(maxDataBytes / (1024 * 1024))),
    })
    void server.exited.then(() => pass?.end())
    return { server, pass }
  } catch (error) {
    await pass?.end()
    throw error
  }
}

async function passFor(name: string, hosts: readonly string[], proxy: HostStartDeps['proxy']): ReturnType<EgressProxy['issue']> {
  if (proxy !== undefined) return proxy.issue('online', hosts)
  throw new OxbowError('sandbox_missing', `The plugin ${name} needs the network, which this sandbox does not have.`, {
    hint: 'Use another tier; oxbow status shows what this one has.',
  })
}

function noSandbox(name: string): OxbowError {
  return new OxbowError('sandbox_missing', `The plugin ${name} is a program, and this sandbox cannot run programs of others.`, {
    hint: 'On Linux sandbox.tier = "process", "container" and "micro_vm" (QEMU) can.',
  })
}
