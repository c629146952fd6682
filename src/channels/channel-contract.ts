/**
 * What each channel must do, whatever platform it speaks to; run by each adapter against a fake server of its platform, which the platform's
 * official client talks to.
 */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isOxbowError, systemRandom } from '../base/index.ts'
import type { ButtonPress, ChannelAdapter, ChannelEvents, ChannelSelf, ChatRef, InboundMessage, OpenChannel } from './port.ts'
import type { ChannelSettings } from './port.ts'

/** What a person on the platform writes. */
interface Said {
  readonly from: string
  readonly text: string
  /** Default: a direct chat. */
  readonly group?: boolean
  readonly mention?: boolean
  /** A thread of the group. */
  readonly thread?: string
  /** What somebody else has written, which it answers. */
  readonly quoted?: string
  /** Somebody else has written the text: it is passed on. */
  readonly forwarded?: boolean
  /** The name that the sender shows, where the platform sends one; default: `from`. */
  readonly shown?: string
  /** `recorded`: by the sender, for this message, as a message that is heard. */
  readonly files?: readonly { readonly name: string; readonly bytes: Uint8Array; readonly recorded?: boolean }[]
}

/** A message as it stands on the platform now. */
export interface Stands {
  readonly chat: string
  /** Absent: the fake does not say. */
  readonly thread?: string
  readonly id: string
  readonly text: string
  readonly buttons: readonly (readonly { readonly label: string; readonly data: string }[])[]
  /** `isVoice`: as a message that is heard, where the platform has these. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly isVoice?: boolean }[]
  /** How often it was edited. */
  readonly edits: number
}

/** A fake server of a platform. It is strict: what the platform refuses it refuses. */
export interface ChannelFake {
  readonly settings: ChannelSettings
  /** @returns the chat and the id of the message */
  say(said: Said): Promise<{ readonly chat: ChatRef; readonly message: string }>
  /** The sender changes a message. Absent: the platform has no such thing. */
  rewrite?(chat: ChatRef, message: string, text: string): Promise<void>
  /** Somebody presses a button of a message. Absent: the platform has none. @returns what they are shown privately */
  press?(chat: ChatRef, message: string, data: string, from: string): Promise<string>
  /** What we have sent, oldest first. */
  standing(): readonly Stands[]
  /** Each update is delivered twice from now on. */
  repeatUpdates(): void
  /** Messages that the platform has been told have arrived; null: it has no such thing, and what is missed is read from its history. */
  acknowledged(): readonly string[] | null
  /** The next request that sends or edits is throttled for so long. */
  throttle(seconds: number): void
  /** The next request that sends is done, and its answer is lost. */
  loseAnswer(): void
  /** The next request that sends is cut off before anything is done. */
  refuseConnection(): void
  /** The token is not valid any more. */
  revoke(): void
  close(): Promise<void>
}

interface Opened {
  readonly fake: ChannelFake
  readonly open: OpenChannel
}

interface Running {
  readonly adapter: ChannelAdapter
  readonly self: ChannelSelf
  readonly messages: InboundMessage[]
  readonly presses: ButtonPress[]
  /** Makes the next message wait until the returned function is called. */
  hold(): () => void
  until(isThere: () => boolean): Promise<void>
  stop(): Promise<void>
}

const intent = (n: number): string => n.toString(16).padStart(32, '0')
const plain = (text: string) => ({ text, plain: text })

/** @param make a new fake, and what opens its channel */
export function describeChannelContract(name: string, make: () => Promise<Opened>): void {
  describe(`channel contract: ${name}`, () => {
    let made: Opened
    let running: Running
    const never = new AbortController().signal
    beforeEach(async () => {
      made = await make()
      running = await start(made)
    })
    afterEach(async () => {
      await running.stop()
      await made.fake.close()
    })

    it('says who it is when it has connected', () => {
      assert.notEqual(running.self.id, '')
      assert.notEqual(running.self.name, '')
    })

    it('delivers a message with its chat, sender and text, and acknowledges it only when it was taken', async () => {
      const release = running.hold()
      const said = await made.fake.say({ from: 'ada', text: 'hello ü 👋🏽' })
      await running.until(() => running.messages.length === 1)
      assert.deepEqual(made.fake.acknowledged() ?? [], [])
      release()
      await running.until(() => made.fake.acknowledged()?.includes(said.message) ?? true)
      const [message] = running.messages as [InboundMessage]
      assert.deepEqual(
        [message.chat, message.message, message.text, message.kind, message.change],
        [said.chat.chat, said.message, 'hello ü 👋🏽', 'direct', 'new'],
      )
      assert.notEqual(message.sender.id, '')
    })

    it('delivers what the platform delivers twice with the same ids', async () => {
      made.fake.repeatUpdates()
      await made.fake.say({ from: 'ada', text: 'once' })
      await running.until(() => running.messages.length === 2)
      assert.equal(running.messages[0]!.message, running.messages[1]!.message)
      assert.equal(running.messages[0]!.chat, running.messages[1]!.chat)
    })

    it('tells a mention in a group from other talk there', async () => {
      await made.fake.say({ from: 'ada', text: 'just talk', group: true })
      await made.fake.say({ from: 'ada', text: 'help us', group: true, mention: true })
      await running.until(() => running.messages.some(({ mentionsUs }) => mentionsUs))
      assert.ok(running.messages.every(({ kind }) => kind === 'group'))
      assert.equal(running.messages.filter(({ mentionsUs }) => mentionsUs).length, 1)
    })

    it('reads an attached file in pieces, and stops at the limit', async () => {
      const bytes = new Uint8Array(200_000).map((_, index) => index % 251)
      await made.fake.say({ from: 'ada', text: 'see this', files: [{ name: 'a.bin', bytes }] })
      await running.until(() => running.messages.length === 1)
      const [file] = running.messages[0]!.files
      assert.ok(file !== undefined)
      assert.deepEqual(await bytesOf(file.open(1_000_000, never)), bytes)
      await assert.rejects(bytesOf(file.open(1_000, never)), (error: unknown) => isOxbowError(error, 'limit_reached'))
    })

    it('sends a message and edits it, also with the same text again', async () => {
      const { chat } = await made.fake.say({ from: 'ada', text: 'hi' })
      const sent = await running.adapter.send(chat, plain('one'), intent(1), never)
      assert.ok(sent.ok)
      if (!running.adapter.limits.edits) return
      assert.ok((await running.adapter.edit(chat, sent.id, plain('two'), never)).ok)
      assert.ok((await running.adapter.edit(chat, sent.id, plain('two'), never)).ok)
      assert.deepEqual(
        made.fake.standing().map(({ id, text }) => [id, text]),
        [[sent.id, 'two']],
      )
    })

    it('sends a file', async () => {
      const { chat } = await made.fake.say({ from: 'ada', text: 'hi' })
      const file = { name: 'notes.txt', type: 'text/plain', bytes: Buffer.from('some text'), caption: '' }
      const sent = await running.adapter.upload(chat, file, intent(2), never)
      assert.ok(sent.ok, JSON.stringify(sent))
      const files = made.fake.standing().flatMap((each) => each.files)
      assert.deepEqual(files, [{ name: 'notes.txt', bytes: 9 }])
    })

    it('says how long a throttled request must wait, and that nothing was done', async () => {
      const { chat } = await made.fake.say({ from: 'ada', text: 'hi' })
      made.fake.throttle(7)
      const sent = await running.adapter.send(chat, plain('one'), intent(3), never)
      assert.deepEqual(sent, { ok: false, why: 'throttled', retryAfterMs: 7_000 })
      assert.deepEqual(made.fake.standing(), [])
    })

    it('finds what was sent when its answer was lost, or says that nobody can tell', async () => {
      const { chat } = await made.fake.say({ from: 'ada', text: 'hi' })
      const at = Date.now()
      made.fake.loseAnswer()
      const lost = await running.adapter.send(chat, plain('one'), intent(4), never)
      assert.equal(lost.ok ? 'ok' : lost.why, 'unknown')
      const found = await running.adapter.find(chat, intent(4), at, never)
      const [stands] = made.fake.standing()
      assert.ok(stands !== undefined)
      if (!running.adapter.limits.reconciles) return assert.equal(found.ok ? 'ok' : found.why, 'unknown')
      assert.deepEqual(found, { ok: true, id: stands.id })
      const other = await running.adapter.find(chat, intent(5), at, never)
      assert.equal(other.ok ? 'ok' : other.why, 'absent')
    })

    it('never says of a request that was cut off that it has arrived', async () => {
      const { chat } = await made.fake.say({ from: 'ada', text: 'hi' })
      made.fake.refuseConnection()
      const sent = await running.adapter.send(chat, plain('one'), intent(6), never)
      assert.ok(!sent.ok && (sent.why === 'unknown' || sent.why === 'absent'), JSON.stringify(sent))
      assert.deepEqual(made.fake.standing(), [])
    })

    it('delivers who pressed a button, and answers them privately', async () => {
      if (!running.adapter.limits.buttons || made.fake.press === undefined) return
      const { chat } = await made.fake.say({ from: 'ada', text: 'hi' })
      const part = { ...plain('May it?'), buttons: [[{ label: 'Yes', data: 'abc123' }]] }
      const sent = await running.adapter.send(chat, part, intent(7), never)
      assert.ok(sent.ok)
      const shown = made.fake.press(chat, sent.id, 'abc123', 'ada')
      await running.until(() => running.presses.length === 1)
      const [press] = running.presses as [ButtonPress]
      assert.deepEqual([press.message, press.data, press.chat], [sent.id, 'abc123', chat.chat])
      await running.adapter.answerButton(press.press, 'Done.')
      assert.equal(await shown, 'Done.')
    })

    it('delivers the new text of a message that its sender changes', async () => {
      if (made.fake.rewrite === undefined) return
      const { chat, message } = await made.fake.say({ from: 'ada', text: 'frist' })
      await made.fake.rewrite(chat, message, 'first')
      await running.until(() => running.messages.some(({ change }) => change === 'edited'))
      const edited = running.messages.find(({ change }) => change === 'edited')!
      assert.deepEqual([edited.message, edited.text], [message, 'first'])
    })

    it('says when its token is not valid any more, without the token in the message', async () => {
      const { chat } = await made.fake.say({ from: 'ada', text: 'hi' })
      made.fake.revoke()
      const sent = await running.adapter.send(chat, plain('one'), intent(8), never)
      assert.equal(sent.ok ? 'ok' : sent.why, 'revoked')
      const again = await made.open(made.fake.settings, { random: systemRandom, log: () => {} })
      const secrets = Object.values(made.fake.settings.secrets)
      await assert.rejects(again.start(noEvents, [], never), (error: unknown) => {
        assert.ok(isOxbowError(error, 'unauthenticated'), String(error))
        assert.ok(secrets.every((secret) => !`${error.message} ${error.hint} ${error.stack}`.includes(secret)))
        return true
      })
      await again.close()
    })
  })
}

const noEvents: ChannelEvents = { message: async () => {}, press: async () => {}, moved: async () => {}, down() {}, up() {} }

async function start({ fake, open }: Opened): Promise<Running> {
  const adapter = await open(fake.settings, { random: systemRandom, log: () => {} })
  const ending = new AbortController()
  const messages: InboundMessage[] = []
  const presses: ButtonPress[] = []
  let gate: Promise<void> = Promise.resolve()
  const events: ChannelEvents = {
    ...noEvents,
    async message(message) {
      messages.push(message)
      await gate
    },
    async press(press) {
      presses.push(press)
    },
  }
  const self = await adapter.start(events, [{ name: 'help', summary: 'what can be said' }], ending.signal)
  return {
    adapter,
    self,
    messages,
    presses,
    hold() {
      const held = Promise.withResolvers<void>()
      gate = held.promise
      return held.resolve
    },
    async until(isThere) {
      const late = Date.now() + 10_000
      while (!isThere()) {
        assert.ok(Date.now() < late, 'it did not come')
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
    async stop() {
      ending.abort()
      await adapter.close()
    },
  }
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return new Uint8Array(Buffer.concat(all))
}
