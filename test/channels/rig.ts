/** A guest with its runner and its process of channels, as they are on a person's machine, and a fake platform. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { type Client, connect } from '../../src/client/index.ts'
import { ensureGuest, loadConfig, openHome, openWorkspace, parseUser, type RunningGuest } from '../../src/runner/index.ts'
import type { OutputOf } from '../../src/protocol/index.ts'
import type { InputOf } from '../../src/protocol/index.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { patienceMs } from '../support/patience.ts'
import type { TestModel } from '../support/model.ts'
import { type ChatFake, type Kind, type Platforms, startPlatform } from './platforms.ts'

export interface ChannelRig<On extends Kind = 'telegram'> extends AsyncDisposable {
  readonly fake: Platforms[On]
  readonly home: string
  client(): Client
  /** The end of what runner and guest have noted. */
  logs(): string
  /** Makes a call as the person. @throws Error with its failure */
  call<Name extends string>(name: Name, input: object): Promise<OutputOf<Name>>
  guest(): RunningGuest
  /** Starts the guest again, with the same workspace. */
  restart(): Promise<void>
  /** SIGKILL of the guest; it is started again. */
  killGuest(): Promise<void>
  /** SIGKILL of the process of channels, which its keeper starts again. @returns whether there was one */
  killChannels(): boolean
  /** Links a person of the fake platform. */
  link(name: string, role: 'owner' | 'member' | 'guest', more?: object): Promise<OutputOf<'identity.link'>>
}

interface RigOptions {
  readonly model: Pick<TestModel, 'config'>
  readonly config?: object
  /** Default: its tools run without a sandbox. */
  readonly hasSandbox?: boolean
  /** Variables besides, as the person has them. */
  readonly env?: Readonly<Record<string, string>>
}

export function startRig(options: RigOptions): Promise<ChannelRig> {
  return startRigOn('telegram', options)
}

/** @param kind the platform */
export async function startRigOn<On extends Kind>(
  kind: On,
  { model, config = {}, hasSandbox = false, env = {} }: RigOptions,
): Promise<ChannelRig<On>> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-channels-'))
  shareCompileCache(root)
  const fake: Platforms[On] = await startPlatform[kind]()
  const home = openHome({ OXBOW_HOME: root })
  const workspace = openWorkspace(home, parseUser('ada'))
  // In a file: what the guest runs with and the files do not say would be taken for a change of them.
  writeFileSync(join(root, 'config.toml'), stringify({ model: model.config, ...config }))
  const start = (): Promise<RunningGuest> =>
    ensureGuest({
      home,
      workspace,
      config: loadConfig(home, workspace),
      insecure: !hasSandbox,
      version: '0.0.0-test',
      env: { PATH: process.env['PATH'], OPENAI_API_KEY: 'sk-test', ...env },
      warn: () => {},
    })
  const enter = ({ url, token }: RunningGuest): Promise<Client> => connect({ url, token, client: 'test' })
  let guest = await start()
  let client = await enter(guest)
  const call: ChannelRig<On>['call'] = async (name, input) => {
    const outcome = await client.call(name as never, input as InputOf<never>)
    if (outcome.status !== 'ok') throw new Error(`${outcome.failure.code}: ${outcome.failure.message} ${outcome.failure.hint}`)
    return outcome.output
  }
  return {
    fake,
    home: root,
    client: () => client,
    logs: () =>
      ['guest.stderr.log', 'runner.log', 'guest.log']
        .map((name) => `\n${name}: ${readFileSync(join(workspace.logs, name), 'utf8').slice(-2_000)}`)
        .join(''),
    guest: () => guest,
    call,
    async restart() {
      await client.close()
      await guest.stop()
      guest = await start()
      client = await enter(guest)
    },
    async killGuest() {
      process.kill(guest.pid, 'SIGKILL')
      await guest.gone
      await client.close()
      guest = await start()
      client = await enter(guest)
    },
    killChannels() {
      const pids = channelProcesses()
      for (const pid of pids) process.kill(pid, 'SIGKILL')
      return pids.length > 0
    },
    link: (name, role, more = {}) =>
      call('identity.link', { channel: kind, space: fake.space, sender: fake.idOf(name), shown: name, role, ...more }),
    async [Symbol.asyncDispose]() {
      await client.close()
      await guest.stop()
      await fake.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** Processes of channels that this process has started. */
function channelProcesses(): readonly number[] {
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

/** Adds the fake platform as the channel `telegram`. */
export const addTelegram = (rig: Pick<ChannelRig, 'call' | 'fake'>): Promise<OutputOf<'channel.add'>> => addChannel(rig)

/** Adds the fake platform as a channel that has the name of its kind. */
export async function addChannel({
  call,
  fake,
}: {
  readonly call: ChannelRig['call']
  readonly fake: ChatFake
}): Promise<OutputOf<'channel.add'>> {
  const { kind, secrets, options } = fake.settings
  return call('channel.add', { kind, secrets, options })
}

/** Resolves with what is there, as soon as it is. */
type Looked<Found> = Found | undefined | null | false

export async function eventually<Found>(look: () => Looked<Found> | Promise<Looked<Found>>, what: string | (() => string)): Promise<Found> {
  const late = Date.now() + patienceMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > late) throw new Error(`It did not come: ${typeof what === 'string' ? what : what()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
