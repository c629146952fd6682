/** What the process of channels asks of its guest, by the calls that its key may make. */
import { type CallId, derivedId, OxbowError, toError } from '../base/index.ts'
import type { Client, InputOf, OutputOf } from '../client/index.ts'

/** A delivery as the guest has it. */
export type Delivery = OutputOf<'channel.outbox'>['deliveries'][number]
/** A message as the guest takes it in. */
type Received = InputOf<'channel.receive'>

/** The guest, as the process sees it. Every method rejects with an OxbowError. */
export interface Guest {
  readonly client: Pick<Client, 'follow'>
  /** Repeated with the same message, it is taken in once. @param revision of an edited one: which edit it is */
  receive(message: Received, revision?: string): Promise<OutputOf<'channel.receive'> | null>
  /** Whether the files of a message are to be read. */
  wantsFiles(message: InputOf<'channel.wants'>): Promise<boolean>
  press(press: InputOf<'channel.press'>, id: string): Promise<string>
  /** When somebody was linked last, as the newest `outbox` said. */
  linkedAt(): number
  outbox(seen: number, waitS: number): Promise<OutputOf<'channel.outbox'>>
  /** @returns the attempt before it; null: it is the first */
  attempt(delivery: string, part: number): Promise<{ readonly at: number; readonly id: string } | null>
  sent(told: InputOf<'channel.sent'>): Promise<void>
  ask(session: string, call: string): Promise<void>
  say(state: InputOf<'channel.say'>): Promise<void>
  moved(moved: InputOf<'channel.moved'>): Promise<void>
  /** @param wait seconds for the owner's answer; `growing`: the answer is being written, and nobody is asked */
  release(delivery: string, wait: number | 'growing'): Promise<OutputOf<'channel.release'>['released']>
  /** Speaks an answer that may be shown. */
  speak(delivery: string): Promise<OutputOf<'channel.speak'>>
  /** @returns the hash of a piece */
  put(bytes: Uint8Array): Promise<string>
  read(piece: string): Promise<Buffer>
  /** Posts to the address of a webhook. @returns how its receiver answered @throws OxbowError `denied` where the egress policy forbids it */
  post(content: InputOf<'channel.post'>): Promise<OutputOf<'channel.post'>>
  /** Chats and people of a channel. */
  places(channel: string): Promise<OutputOf<'channel.places'>>
}

/** Facts that do not change by being told again have an id that follows from them, so that a lost answer repeats nothing. */
export function guestOf(client: Client): Guest {
  let linkedAt = 0
  const make = async <Name extends string>(name: Name, input: object, id?: string): Promise<OutputOf<Name>> => {
    const outcome = await client.call(name as never, input as never, undefined, id as CallId | undefined)
    if (outcome.status !== 'ok') throw toError(outcome.failure)
    return outcome.output
  }
  return {
    client,
    async receive(message, revision = '') {
      const { channel, space = '', chat, message: id, change = 'new', text } = message
      // Each state of a message is one fact.
      const call = derivedId('channel.receive', channel, space, chat, id, change, revision, change === 'new' ? '' : text)
      try {
        return await make('channel.receive', message, call)
      } catch (error) {
        // What the guest cannot understand would come again for ever.
        if (error instanceof OxbowError && (error.code === 'bad_input' || error.code === 'not_found')) return null
        // A crash may have ended the call under this id; the guest knows the message by its own id.
        if (error instanceof OxbowError && error.code !== 'guest_unreachable') return make('channel.receive', message)
        throw error
      }
    },
    wantsFiles: async (message) => (await make('channel.wants', message)).files,
    async press(press, id) {
      const { channel, space = '', chat, message, sender, data } = press
      // Each button below each message is a fact of its own, whatever the platform takes for one press.
      const call = derivedId('channel.press', channel, space, chat, message, sender, data, id)
      return (await make('channel.press', press, call)).text ?? ''
    },
    linkedAt: () => linkedAt,
    async outbox(seen, wait_s) {
      const page = await make('channel.outbox', { seen, wait_s })
      linkedAt = page.linked_at
      return page
    },
    attempt: async (delivery, part) => (await make('channel.attempt', { delivery, part })).before,
    sent: async (told) => void (await make('channel.sent', told)),
    ask: async (session, call) => void (await make('channel.ask', { session, call })),
    say: async (state) => void (await make('channel.say', state)),
    moved: async (moved) => void (await make('channel.moved', moved)),
    release: async (delivery, wait) =>
      (await make('channel.release', wait === 'growing' ? { delivery, growing: true } : { delivery, wait_s: wait })).released,
    speak: (delivery) => make('channel.speak', { delivery }),
    places: (channel) => make('channel.places', { channel }),
    put: async (bytes) => (await make('channel.put', { data: Buffer.from(bytes).toString('base64') })).piece,
    post: (content) => make('channel.post', content),
    read: async (piece) => Buffer.from((await make('channel.read', { piece })).data, 'base64'),
  }
}
