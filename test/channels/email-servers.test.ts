/** The adapter of mail against real servers: what comes, what is answered, and what is read again. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isOxbowError, systemRandom } from '../../src/base/index.ts'
import { emailBy } from '../../src/channels/email/email-adapter.ts'
import type { Resolve } from '../../src/channels/email/email-trust.ts'
import { emailSettings } from '../../src/channels/email/email-settings.ts'
import { openMailbox } from '../../src/channels/email/mailbox.ts'
import { missedFrom } from '../../src/channels/intake.ts'
import type { ChannelEvents, InboundMessage } from '../../src/channels/port.ts'
import { type EmailFake, resolveKeys, startEmailFake } from './fakes/email.ts'
import { type MailServers, noMailServers, startMailServers } from './fakes/mail-servers.ts'
import { eventually } from './rig.ts'

const noEvents: ChannelEvents = { message: async () => {}, press: async () => {}, moved: async () => {}, down() {}, up() {} }
const never = new AbortController().signal
const ada = 'ada@example.test'
const intent = (n: number): string => n.toString(16).padStart(32, '0')

if (noMailServers !== '' && process.env['CI'] === undefined) {
  void test('mail between servers', { skip: noMailServers })
} else {
  void describe('mail between servers', () => {
    let servers: MailServers
    before(async () => {
      servers = await startMailServers()
    })
    after(() => servers.stop())

    /** A mailbox that is read. */
    async function reading({
      resolve = resolveKeys,
      now = Date.now,
      since,
    }: { resolve?: Resolve; now?: () => number; since?: number } = {}) {
      const fake = await startEmailFake(servers)
      const messages: InboundMessage[] = []
      const ending = new AbortController()
      const settings = { ...fake.settings, ...(since !== undefined && { since }) }
      const adapter = await emailBy(resolve, now)(settings, { random: systemRandom, log: () => {} })
      await adapter.start({ ...noEvents, message: async (message) => void messages.push(message) }, [], ending.signal)
      return {
        fake,
        messages,
        adapter,
        async [Symbol.asyncDispose]() {
          ending.abort()
          await adapter.close()
          await fake.close()
        },
      }
    }
    const first = async (fake: EmailFake, messages: readonly InboundMessage[]): Promise<InboundMessage> => {
      await fake.mail({ from: ada, subject: 'Lunch', text: 'At one?' })
      return eventually(() => messages[0], 'the mail')
    }

    void test('an answer stands in its thread, as text and HTML, says that a machine has written it, and its copy goes to Sent', async () => {
      await using box = await reading()
      const { fake, messages, adapter } = box
      const message = await first(fake, messages)
      const part = { text: 'At *two*.', plain: 'At two.', html: '<p>At <i>two</i>.</p>' }
      assert.ok((await adapter.send(message, part, intent(1), never)).ok)
      const [{ mail, recipients }] = fake.sent as [{ mail: string; recipients: readonly string[] }]
      for (const line of [
        `In-Reply-To: ${message.message}`,
        `References: ${message.message}`,
        'Subject: Re: Lunch',
        'Auto-Submitted: auto-replied',
        `Message-ID: <oxbow.${intent(1)}@oxbow.test>`,
        'Content-Type: text/html; charset=utf-8',
      ])
        assert.ok(mail.includes(line), line)
      assert.deepEqual(recipients, [ada, fake.address])
      await eventually(() => servers.files(fake.address).some((file) => file.includes('/.Sent/')), 'the copy')
      // The person answers: it is the same thread, also for a process that has just begun.
      await fake.mail({
        from: ada,
        subject: 'Re: Lunch',
        text: 'Fine.',
        inReplyTo: `<oxbow.${intent(1)}@oxbow.test>`,
        references: [message.message, `<oxbow.${intent(1)}@oxbow.test>`],
      })
      const answer = await eventually(() => messages[1], 'the answer')
      assert.deepEqual([answer.thread, answer.repliesToUs, answer.isVerified], [message.message, true, true])
      const later = await emailBy(resolveKeys)(fake.settings, { random: systemRandom, log: () => {} })
      assert.ok((await later.send(answer, part, intent(2), never)).ok)
      await later.close()
      assert.match(fake.sent[1]!.mail, new RegExp(`In-Reply-To: ${answer.message}`))
      assert.match(fake.sent[1]!.mail, /Subject: Re: Lunch/)
      // Whoever knows the id can write a mail that looks as if it belonged there.
      await fake.mail({
        from: ada,
        dkim: undefined,
        subject: 'Re: Pay Eve',
        text: 'Fine.',
        inReplyTo: message.message,
        references: [message.message, '<forged@evil.test>'],
      })
      await eventually(() => messages.length === 3, 'the forged mail')
      const latest = await emailBy(resolveKeys)(fake.settings, { random: systemRandom, log: () => {} })
      assert.ok((await latest.send(answer, part, intent(3), never)).ok)
      await latest.close()
      assert.match(fake.sent[2]!.mail, /Subject: Re: Lunch/)
      assert.doesNotMatch(fake.sent[2]!.mail, /forged@evil/)
    })

    void test('what the DNS says nothing about is read again, and holds up nobody; a key that is not there proves nothing', async () => {
      let [isDown, ahead] = [true, 0]
      const resolve: Resolve = async (name, type) => {
        if (isDown && name.endsWith('example.test')) throw Object.assign(new Error('no answer'), { code: 'ETIMEOUT' })
        return resolveKeys(name, type)
      }
      await using box = await reading({ resolve, now: () => Date.now() + ahead })
      const { fake, messages } = box
      await fake.mail({ from: ada, text: 'first' })
      await fake.mail({ from: ada, text: 'second' })
      await fake.mail({ from: 'eve@evil.test', text: 'unsigned', dkim: undefined })
      await eventually(() => messages.length === 1, 'the mail of somebody else')
      assert.deepEqual(
        messages.map(({ text, isVerified }) => [text, isVerified]),
        [['unsigned', false]],
      )
      isDown = false
      ahead = 31_000
      await fake.mail({ from: ada, text: 'third' })
      await eventually(() => messages.length === 4, 'what was postponed')
      assert.deepEqual(
        messages.slice(1).map(({ text, isVerified }) => [text, isVerified]),
        [
          ['first', true],
          ['second', true],
          ['third', true],
        ],
      )
      assert.equal(fake.acknowledged()?.length, 4)
    })

    void test('after a pause what came since the channel was made is told, at most of a week', async () => {
      const day = 24 * 60 * 60_000
      const start = Date.now()
      await using box = await reading({ since: start - 1_000, now: () => start + 3 * day })
      await box.fake.mail({ from: ada, text: 'three days ago' })
      await eventually(() => box.messages.length === 1, 'the old mail')
      assert.equal(missedFrom({ since: start }, start + 8 * day), start + day)
      assert.equal(missedFrom({ since: start }, start + day), start)
    })

    void test('after ten answers in an hour a thread is a loop', async () => {
      await using box = await reading()
      const { fake, messages, adapter } = box
      const message = await first(fake, messages)
      for (let count = 0; count < 10; count += 1)
        assert.ok((await adapter.send(message, { text: 'x', plain: 'x' }, intent(count), never)).ok)
      const refused = await adapter.send(message, { text: 'x', plain: 'x' }, intent(10), never)
      assert.equal(refused.ok ? 'ok' : refused.why, 'refused')
      await fake.mail({ from: ada, text: 'again', inReplyTo: message.message, references: message.message })
      const again = await eventually(() => messages[1], 'the next mail')
      assert.match(again.automatic ?? '', /ten answers/)
      // Another process finds them in the mailbox.
      await eventually(() => (fake.acknowledged()?.length ?? 0) >= 12, 'the copies')
      const later = await emailBy(resolveKeys)(fake.settings, { random: systemRandom, log: () => {} })
      const still = await later.send(message, { text: 'x', plain: 'x' }, intent(11), never)
      assert.equal(still.ok ? 'ok' : still.why, 'refused')
      await later.close()
    })

    void test('a mail of 100 MB is read as far as its headers, and the next one comes', async () => {
      await using box = await reading()
      const { fake, messages } = box
      await fake.mail({ from: ada, text: 'large', attachments: [{ filename: 'a.bin', content: Buffer.alloc(75_000_000) }] })
      await fake.mail({ from: ada, text: 'small' })
      await eventually(() => messages.length === 2, 'both mails')
      const large = messages.find(({ text }) => text.includes('too large'))
      assert.deepEqual([large?.isVerified, large?.files.length], [false, 0])
      assert.ok(messages.some(({ text, isVerified: known }) => text === 'small' && known))
    })

    void test('a password is sent to no server without TLS, but to one of this machine where that is wanted', async () => {
      const fake = await startEmailFake(servers)
      const { tls: _, ...options } = fake.settings.options
      const asked = { ...fake.settings, options }
      const adapter = await emailBy(resolveKeys)(asked, { random: systemRandom, log: () => {} })
      await assert.rejects(adapter.start(noEvents, [], never), (error: unknown) => isOxbowError(error, 'bad_config'))
      await adapter.close()
      await assert.rejects(openMailbox(emailSettings(asked)), (error: unknown) => isOxbowError(error, 'bad_config'))
      assert.throws(
        () => emailSettings({ ...asked, options: { ...options, tls: 'off', imap: 'imap.example.com' } }),
        (error: unknown) => isOxbowError(error, 'bad_input'),
      )
      await fake.close()
    })

    void test('a connection that ends is made again, and what came meanwhile is read', async () => {
      await using box = await reading()
      const { fake, messages } = box
      await first(fake, messages)
      servers.kick(fake.address)
      await fake.mail({ from: ada, text: 'meanwhile' })
      await eventually(() => messages.some(({ text }) => text === 'meanwhile'), 'the mail')
      await fake.mail({ from: ada, text: 'and later' })
      await eventually(() => messages.some(({ text }) => text === 'and later'), 'the next mail')
      assert.equal(messages.length, 3)
    })

    void test('of two programs on one mailbox the second ends and says so, and none is kept out by one that has gone', async () => {
      const fake = await startEmailFake(servers)
      const programOf = (id: string) => emailBy(resolveKeys)({ ...fake.settings, id }, { random: systemRandom, log: () => {} })
      const messages: InboundMessage[] = []
      const events = { ...noEvents, message: async (message: InboundMessage) => void messages.push(message) }
      const one = await programOf('one')
      await one.start(events, [], never)
      const isBusy = (error: unknown): boolean => isOxbowError(error, 'workspace_busy')
      for (let tries = 0; tries < 2; tries += 1) {
        const other = await programOf('two')
        await assert.rejects(other.start(noEvents, [], never), isBusy)
        await other.close()
      }
      await fake.mail({ from: ada, text: 'to the first' })
      await eventually(() => messages[0], 'the mail')
      // A process of ours that was killed left its note; it is the same program.
      const again = await programOf('one')
      await again.start(noEvents, [], never)
      await again.close()
      await one.close()
      const other = await programOf('two')
      await other.start(noEvents, [], never)
      await other.close()
      await fake.close()
    })

    void test('what nobody has there is told at once', async () => {
      await using box = await reading()
      const sent = await box.adapter.send(
        { space: '', chat: 'nobody@example.test', thread: '' },
        { text: 'x', plain: 'x' },
        intent(1),
        never,
      )
      assert.equal(sent.ok ? 'ok' : sent.why, 'gone')
    })
  })
}
