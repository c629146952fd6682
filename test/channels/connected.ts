/** An adapter by itself, against a fake of its platform: what it hears and says of its connection. */
import assert from 'node:assert/strict'
import { systemRandom } from '../../src/base/index.ts'
import type { ChannelAdapter, ChannelEvents, ChannelSettings, InboundMessage, MenuCommand, OpenChannel } from '../../src/channels/port.ts'

export interface Connected {
  readonly adapter: ChannelAdapter
  readonly messages: readonly InboundMessage[]
  readonly states: readonly string[]
  start(): ReturnType<ChannelAdapter['start']>
  until(isThere: () => boolean): Promise<void>
  /** The next messages are not taken, so many times. */
  refuse(times: number): void
}

const never = new AbortController().signal

export async function connected(open: OpenChannel, settings: ChannelSettings, menu: readonly MenuCommand[] = []): Promise<Connected> {
  const adapter = await open(settings, { random: systemRandom, log: () => {} })
  const messages: InboundMessage[] = []
  const states: string[] = []
  let refusals = 0
  const events: ChannelEvents = {
    message: async (message) => {
      if (refusals > 0) {
        refusals -= 1
        throw new Error('not now')
      }
      messages.push(message)
    },
    press: async () => {},
    moved: async () => {},
    down: (why) => void states.push(`down: ${why}`),
    up: () => void states.push('up'),
  }
  return {
    adapter,
    messages,
    states,
    start: () => adapter.start(events, menu, never),
    async until(isThere) {
      for (const late = Date.now() + 10_000; !isThere();) {
        assert.ok(Date.now() < late, 'it did not come')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
    refuse: (times) => void (refusals = times),
  }
}
