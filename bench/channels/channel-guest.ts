/** A runner's part of a person with channels, under measurement: guest and process of channels are processes of their own. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../src/client/index.ts'
import type { ChannelFake } from '../../src/channels/channel-contract.ts'
import type { InputOf, OutputOf } from '../../src/protocol/index.ts'
import { ensureGuest, openHome, openWorkspace, parseUser } from '../../src/runner/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { residentBytes } from '../subjects/child-process.ts'

export interface BenchChannels extends AsyncDisposable {
  add(fake: ChannelFake): Promise<void>
  /** Links an owner. */
  link(channel: string, sender: string): Promise<void>
  pause(channel: string): Promise<void>
  resume(channel: string): Promise<void>
  /** Turns of all sessions. */
  turns(): Promise<number>
  /** Processes of channels that this process has started. */
  processes(): readonly number[]
  residentBytes(): number
}

/** @param bundle the program of the guest, next to which the process of channels has its own; null: both are unbuilt, with what reads types in memory */
export async function startChannels(modelUrl: string, bundle: string | null): Promise<BenchChannels> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-bench-'))
  const home = openHome({ OXBOW_HOME: root })
  const model = { provider: 'openai', name: 'bench', context_tokens: 128_000, base_url: modelUrl }
  const guest = await ensureGuest({
    home,
    workspace: openWorkspace(home, parseUser('bench')),
    config: parseConfig({ model, memory: { recall: false, embedder: 'none' } }, 'the bench'),
    insecure: true,
    ...(bundle !== null && { program: { entry: bundle } }),
    version: 'bench',
    env: { PATH: process.env['PATH'], OPENAI_API_KEY: 'bench-key-that-opens-nothing' },
    warn: () => {},
  })
  const client = await connect({ url: guest.url, token: guest.token, client: 'bench' })
  const call = async <Name extends string>(name: Name, input: object): Promise<OutputOf<Name>> => {
    const outcome = await client.call(name as never, input as InputOf<never>)
    if (outcome.status !== 'ok') throw new Error(`${name}: ${outcome.failure.message}`)
    return outcome.output
  }
  return {
    async add({ settings: { kind, secrets, options } }) {
      const { state, why } = await call('channel.add', { kind, secrets, options })
      if (state !== 'up') throw new Error(`${kind} is ${state}: ${why}`)
    },
    link: async (channel, sender) => void (await call('identity.link', { channel, sender, role: 'owner' })),
    pause: async (channel) => void (await call('channel.pause', { channel })),
    resume: async (channel) => void (await call('channel.resume', { channel })),
    turns: async () => (await call('session.list', { limit: 1_000 })).reduce((sum, { turns }) => sum + turns, 0),
    processes,
    residentBytes: () => processes().reduce((sum, pid) => sum + residentBytes(pid), 0),
    async [Symbol.asyncDispose]() {
      await client.close()
      await guest.stop()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

function processes(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const isOurs = new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(readFileSync(`/proc/${name}/status`, 'utf8'))
      return isOurs && /channels(?:\/main\.ts|\.js)/.test(readFileSync(`/proc/${name}/cmdline`, 'utf8')) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}
