/** Mail between people and an agent, by real servers. People sign what they write with a key that a resolver of ours knows. */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createTransport, type SendMailOptions } from 'nodemailer'
import type { ChannelFake, Stands } from '../../../src/channels/channel-contract.ts'
import type { Resolve } from '../../../src/channels/email/email-trust.ts'
import type { MailServers } from './mail-servers.ts'
import { readStanding } from './mail-reading.ts'
import { startSmtpFaults } from './smtp-faults.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const record = `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`

/** Knows one key: the one of `example.test`. */
export const resolveKeys: Resolve = async (name, type) => {
  if (type === 'TXT' && name === 'test._domainkey.example.test') return [[record]]
  throw Object.assign(new Error(`no ${type} for ${name}`), { code: 'ENOTFOUND' })
}

/** Signs with it. */
export const signing: NonNullable<SendMailOptions['dkim']> = { domainName: 'example.test', keySelector: 'test', privateKey: key }

export interface EmailFake extends ChannelFake {
  readonly address: string
  /** Mails as they were taken, oldest first. */
  readonly sent: readonly { readonly mail: string; readonly recipients: readonly string[] }[]
  /** Sends any mail, signed unless it says otherwise. @returns its Message-ID */
  mail(mail: SendMailOptions): Promise<string>
  /** Puts a mail as it is into the mailbox. */
  drop(mail: string): void
}

export async function startEmailFake(servers: MailServers): Promise<EmailFake> {
  const address = servers.newBox()
  const faults = await startSmtpFaults(servers.smtpPort)
  const transport = createTransport({ host: '127.0.0.1', port: servers.smtpPort, ignoreTLS: true })
  let isRepeating = false
  const mail = async (content: SendMailOptions): Promise<string> => {
    const messageId = `<${crypto.randomUUID()}@example.test>`
    for (let times = isRepeating ? 2 : 1; times > 0; times -= 1)
      await transport.sendMail({ dkim: signing, to: address, ...content, messageId })
    return messageId
  }
  return {
    address,
    sent: faults.taken,
    mail,
    drop: (text) => servers.drop(address, text),
    settings: {
      name: 'email',
      kind: 'email',
      secrets: { password: servers.password },
      options: { address, imap: `127.0.0.1:${servers.imapPort}`, smtp: `127.0.0.1:${faults.port}`, tls: 'off', settle_ms: '300' },
    },
    async say({ from, text, group = false, mention = false, files = [] }) {
      const sender = `${from}@example.test`
      const to = group && !mention ? 'bob@example.test' : address
      const cc = group ? (mention ? 'bob@example.test' : address) : undefined
      const attachments = files.map(({ name, bytes }) => ({ filename: name, content: Buffer.from(bytes) }))
      const envelope = { from: sender, to: [address] }
      const message = await mail({ from: sender, to, ...(cc !== undefined && { cc }), text, subject: '', attachments, envelope })
      return { chat: { space: 'example.test', chat: sender, thread: message }, message }
    },
    standing: (): readonly Stands[] => faults.taken.map(({ mail: text }) => readStanding(text)),
    repeatUpdates() {
      isRepeating = true
    },
    acknowledged: () =>
      servers
        .files(address)
        .filter((file) => /:2,[A-Z]*S/.test(file))
        .map((file) => /^message-id:\s*(\S+)/im.exec(readFileSync(file, 'latin1'))?.[1] ?? ''),
    throttle: faults.throttle,
    loseAnswer: faults.loseAnswer,
    refuseConnection: faults.refuseConnection,
    revoke: () => servers.setPassword(address, 'another one'),
    async close() {
      transport.close()
      await faults.close()
    },
  }
}
