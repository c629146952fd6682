/** Channels without processes: a kernel in memory behind a real gateway, what speaks to platforms in this process, and a fake platform. */
import { type SessionId, systemClock, systemRandom } from '../../src/base/index.ts'
import { createChannelHost } from '../../src/channels/channel-host.ts'
import type { ChannelsSpec, HostPort } from '../../src/config/index.ts'
import { createToken, startGateway } from '../../src/gateway/index.ts'
import { openEgressFetch } from '../../src/sandbox/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { type Fixture, type FixtureOptions, openFixture } from '../../src/kernel/kernel-fixture.ts'
import type { InputOf, OutputOf } from '../../src/protocol/index.ts'
import { type Kind, type Platforms, startPlatform } from './platforms.ts'

export interface NearRig<On extends Kind = 'telegram'> extends AsyncDisposable {
  readonly fake: Platforms[On]
  readonly fixture: Fixture
  /** Of the gateway: `http://host:port`. */
  readonly origin: string
  /** @throws Error with the failure of the call */
  call<Name extends string>(name: Name, input: object): Promise<OutputOf<Name>>
  link(name: string, role: 'owner' | 'member' | 'guest', more?: object): Promise<OutputOf<'identity.link'>>
  /** Of the gateway, and the key with which the process of channels came to it. */
  readonly url: string
  key(): string
  /** Makes a call as the person, in a session. */
  callIn<Name extends string>(session: string, name: Name, input: object): Promise<OutputOf<Name>>
  /** What the process of channels has said. */
  readonly logs: readonly string[]
}

/** A person without definitions, skills and plugins. */
const noFiles = {
  definitions: async () => [],
  plugins: async () => [],
  skills: async () => ({ skills: [], prompts: [] }),
  onConfigChange: () => {},
}

/** @param options as for a kernel in memory */
export function startNearRig(options: FixtureOptions = {}): Promise<NearRig> {
  return startNearRigOn('telegram', options)
}

/** @param kind the platform @param options as for a kernel in memory */
export async function startNearRigOn<On extends Kind>(kind: On, options: FixtureOptions = {}): Promise<NearRig<On>> {
  const fake: Platforms[On] = await startPlatform[kind]()
  const logs: string[] = []
  const host = createChannelHost({
    clock: systemClock,
    random: systemRandom,
    log: (message, fields) => logs.push(JSON.stringify([message, fields])),
  })
  let key = ''
  const address = Promise.withResolvers<string>()
  const channels = async (spec: ChannelsSpec | null): Promise<void> => {
    key = spec?.key ?? key
    void address.promise.then((url) => host.take({ url, ...(spec ?? { key: '', menu: [], channels: [] }) }))
  }
  const { egress } = parseConfig(options.config ?? {}, 'the test')
  const openFetch: HostPort['openFetch'] = (to, allow) => openEgressFetch(egress, to, allow)
  const secretKeeper = { keep: async () => {}, remove: async () => {}, tagKey: Buffer.alloc(32) }
  const fixture = await openFixture({ secretKeeper, ...options, host: { ...noFiles, channels, openFetch } as unknown as HostPort })
  const gateway = await startGateway({ kernel: fixture.kernel, host: '127.0.0.1', port: 0, token: createToken(systemRandom) })
  address.resolve(gateway.url)
  const callIn: NearRig<On>['callIn'] = async (session, name, input) => {
    const outcome = await fixture.kernel.call(name as never, input as InputOf<never>, session as SessionId)
    if (outcome.status !== 'ok') throw new Error(`${outcome.failure.code}: ${outcome.failure.message} ${outcome.failure.hint}`)
    return outcome.output
  }
  const call: NearRig<On>['call'] = (name, input) => callIn('', name, input)
  return {
    fake,
    fixture,
    origin: gateway.url.replace(/^ws(.*)\/ws$/, 'http$1'),
    call,
    callIn,
    url: gateway.url,
    key: () => key,
    logs,
    link: (name, role, more = {}) =>
      call('identity.link', { channel: kind, space: fake.space, sender: fake.idOf(name), shown: name, role, ...more }),
    async [Symbol.asyncDispose]() {
      await host.close()
      await gateway.close()
      await fixture[Symbol.asyncDispose]()
      await fake.close()
    },
  }
}
