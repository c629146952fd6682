/**
 * The process of channels of a user, next to the guest: started where a channel is configured, again when it ends by itself, after a pause that
 * grows, and ended with the guest. What it needs goes through its input, a line for each state of things, so that no token is in an argument, a
 * variable or a file; the end of its input ends it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { OxbowError } from '../../base/index.ts'
import { openNotes, stderrFile } from '../../logs/index.ts'
import type { ChannelsSpec } from '../../config/index.ts'
import { findGuest } from '../find-guest.ts'
import { type GuestProgram, guestVariables } from '../begin-guest.ts'
import type { Home, HostEnv, Workspace } from '../home.ts'
import { channelEndMs, healthyGuestMs, restartPauseMs } from '../limits.ts'

export interface KeptChannels {
  /** Resolves when the process has been given what to do; null ends it. */
  run(spec: ChannelsSpec | null): Promise<void>
  /** The guest has ended. */
  end(): void
}

/** Variables that it inherits: to find certificates and a proxy. */
const keptVariables = ['PATH', 'HOME', 'TZ', 'LANG', 'NODE_EXTRA_CA_CERTS', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy'] as const

const addressTries = 300
const addressPauseMs = 100

/**
 * It mostly waits, and what it does is done by servers and by the guest: its own code is compiled once, from the cache, and never optimized, which
 * leaves the compilers out of memory. With one malloc arena as well it takes 65 MB instead of 74 with Telegram, and 101 instead of 110 with Slack and
 * Discord too.
 */
const flags = ['--max-semi-space-size=1', '--v8-pool-size=1', '--optimize-for-size', '--no-opt', '--no-maglev', '--no-sparkplug'] as const

export interface ChannelPlace {
  readonly workspace: Workspace
  readonly env: HostEnv
  /** Where Node keeps compiled code. */
  readonly home: Pick<Home, 'compileCache'>
  /** Where the guest has another program than the one next to this code. */
  readonly program?: GuestProgram | undefined
  /** Default: the program next to the guest's. */
  readonly entry?: string
}

export function keepChannels({ workspace, env, home, program, entry = programBeside(program) }: ChannelPlace): KeptChannels {
  let child: ChildProcess | null = null
  let wanted: ChannelsSpec | null = null
  let [failures, startedAt] = [0, 0]
  let again: NodeJS.Timeout | undefined
  const note = openNotes(workspace.logs, 'runner')
  /** A guest that has just begun announces its address a moment later. */
  const give = async (): Promise<void> => {
    const [spec, to] = [wanted, child]
    const isStill = (): boolean => spec !== null && wanted === spec && child === to
    for (let tries = 0; tries < addressTries && isStill(); tries += 1) {
      const guest = await findGuest(workspace)
      if (guest !== null) return void to?.stdin?.write(`${JSON.stringify({ url: guest.url, ...spec })}\n`)
      await sleep(addressPauseMs)
    }
  }
  const begin = async (): Promise<void> => {
    clearTimeout(again)
    if (wanted === null) return
    if (child === null) {
      if (!existsSync(entry))
        throw new OxbowError('internal_failure', 'The program of channels is missing.', { hint: 'Install Oxbow again.' })
      const started = start({ workspace, env, home, entry })
      child = started
      startedAt = performance.now()
      note('info', 'the process of channels has started', { pid: started.pid ?? 0 })
      started.once('close', (code, signal) => {
        if (child !== started) return
        child = null
        if (wanted === null) return
        failures = performance.now() - startedAt > healthyGuestMs ? 1 : failures + 1
        const pauseMs = restartPauseMs(failures)
        note('error', 'the process of channels has ended', { exit_code: code, signal, again_ms: pauseMs })
        again = setTimeout(() => void begin().catch(() => {}), pauseMs).unref()
      })
    }
    void give()
  }
  const end = (): void => {
    clearTimeout(again)
    wanted = null
    const ending = child
    child = null
    if (ending === null) return
    ending.stdin?.end()
    const late = setTimeout(() => ending.kill('SIGKILL'), channelEndMs).unref()
    ending.once('close', () => clearTimeout(late))
  }
  return {
    async run(spec) {
      if (spec === null) return end()
      wanted = spec
      await begin()
    },
    end,
  }
}

function programBeside(guest: GuestProgram | undefined): string {
  if (guest?.entry.endsWith('.js') === true) return join(dirname(guest.entry), 'channels.js')
  const built = import.meta.url.endsWith('.js')
  return fileURLToPath(new URL(built ? './channels.js' : '../../channels/main.ts', import.meta.url))
}

function start({ workspace, env, home, entry }: ChannelPlace & { readonly entry: string }): ChildProcess {
  const kept = Object.fromEntries(keptVariables.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
  const log = openSync(join(workspace.logs, stderrFile), 'a', 0o600)
  const child = spawn(process.execPath, [...flags, entry], {
    cwd: '/',
    env: { ...kept, ...guestVariables, NODE_COMPILE_CACHE: home.compileCache },
    stdio: ['pipe', 'ignore', log],
    // Its own process group: Ctrl+C in the terminal must reach only the terminal program.
    detached: true,
  })
  closeSync(log)
  child.on('error', () => {})
  child.stdin?.on('error', () => {})
  // It ends with its input, and keeps nobody.
  child.unref()
  return child
}
