/** Mail and webhooks through a guest with its runner and its process of channels, as on a person's machine. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer, type Server } from 'node:tls'
import { startModel } from '../support/model.ts'
import { startEmailFake } from './fakes/email.ts'
import { readStanding } from './fakes/mail-reading.ts'
import { noMailServers, people, startMailServers } from './fakes/mail-servers.ts'
import { type ChannelRig, eventually, startRig } from './rig.ts'

const found = 'Authentication-Results: mx.oxbow.test; dmarc=pass header.from=example.test\r\n'

const kills = Number(process.env['OXBOW_CHANNEL_KILLS'] ?? '') || 8
/** Mails without an answer: kills that come faster than anything starts would only pile them up. */
const maxOpen = 40

const skip = noMailServers !== '' && process.env['CI'] === undefined ? noMailServers : false

test('an owner is paired by mail, is answered in the thread, and a stranger with a forged name is not', { skip }, async () => {
  const servers = await startMailServers()
  const fake = await startEmailFake(servers)
  try {
    const write = { tool_call: { name: 'file_write', arguments: { path: '/shared/a.txt', text: 'hello' } } }
    await using model = await startModel({
      turns: [
        { match: 'Subject: Lunch', steps: [{ events: [{ text: 'At **two**.' }] }] },
        { match: 'write it', steps: [{ events: [write] }, { events: [{ text: 'Written.' }] }] },
      ],
    })
    await using rig = await startRig({ model, config: { approval: { calls: { 'file.write': 'ask' } } } })
    const { secrets, options } = fake.settings
    const added = await rig.call('channel.add', { kind: 'email', secrets, options: { ...options, authserv_id: 'mx.oxbow.test' } })
    assert.deepEqual([added.state, added.account, added.why], ['up', fake.address, ''])
    let count = 0
    const mail = (from: string, text: string, { subject = '', isKnown = true, more = '' } = {}): string => {
      const id = `<m${(count += 1)}@example.test>`
      const head = `From: ${from}\r\nTo: ${fake.address}\r\nSubject: ${subject}\r\nMessage-ID: ${id}\r\n${more}`
      fake.drop(`${isKnown ? found : ''}${head}Content-Type: text/plain; charset=utf-8\r\n\r\n${text}\r\n`)
      return id
    }
    const texts = (): readonly string[] => fake.sent.map((each) => readStanding(each.mail).text)
    mail('eve@example.test', 'Who are you?')
    const { code } = await rig.call('channel.pair', { channel: 'email' })
    mail('Ada <ada@example.test>', code, { subject: 'my code' })
    await eventually(() => texts().find((text) => text.includes('linked as owner')), 'the notice')

    mail('ada@example.test', 'At one?', { subject: 'Lunch', isKnown: false })
    mail('ada@example.test', 'At one?', { subject: 'Lunch', more: 'List-Id: <all.example.test>\r\n' })
    const asked = mail('ada@example.test', 'At one?', { subject: 'Lunch' })
    await eventually(() => texts().includes('At two.'), 'the answer')
    const answer = fake.sent.find(({ mail: text }) => text.includes('At two.'))!
    assert.match(answer.mail, /<p>At <b>two<\/b>\.<\/p>/)
    assert.match(answer.mail, new RegExp(`In-Reply-To: ${asked}`))
    assert.equal(model.requests.length, 1)
    // Nothing is decided by mail.
    mail('ada@example.test', 'write it', { subject: 'A file' })
    const question = await eventually(() => texts().find((text) => text.includes('file.write')), 'the question')
    assert.match(question, /Decide at a terminal/)
    assert.equal(texts().length, 3)
    const kinds = (await rig.call('audit.query', { name: 'channel.receive' })).records.map(({ body }) => body)
    for (const why of ['does not vouch', 'not linked', '"list"'])
      assert.ok(
        kinds.some((body) => body.includes(why)),
        `${why}: ${kinds.join('\n')}`,
      )
  } finally {
    await fake.close()
    servers.stop()
  }
})

test('whether the process of channels is killed or the guest, each mail is one turn and each answer is sent once', { skip }, async () => {
  const servers = await startMailServers()
  const fake = await startEmailFake(servers)
  try {
    await using model = await startModel({
      turns: [{ steps: [{ events: [{ text: 'You said: ' }, { delay_ms: 200 }, { text: '{{last}}' }] }] }],
    })
    await using rig = await startRig({ model })
    await rig.call('channel.add', {
      kind: 'email',
      secrets: fake.settings.secrets,
      options: { ...fake.settings.options, authserv_id: 'mx.oxbow.test' },
    })
    // Few enough mails of each that no rate ends them.
    const senders = people.map((name) => `${name}@example.test`)
    for (const sender of senders) await rig.call('identity.link', { channel: 'email', space: 'example.test', sender, role: 'owner' })
    const said = Array.from({ length: kills }, (_, index) => `message-${index}-x`)
    /** How often each text was sent; each mail is read once. */
    const counts = new Map<string, number>()
    let read = 0
    const answers = (text: string): number => {
      for (; read < fake.sent.length; read += 1) {
        const sent = readStanding(fake.sent[read]!.mail).text
        counts.set(sent, (counts.get(sent) ?? 0) + 1)
      }
      return counts.get(`You said: ${text}`) ?? 0
    }
    const openOf = (dropped: number): readonly string[] => said.slice(0, dropped).filter((text) => answers(text) === 0)
    for (const [index, text] of said.entries()) {
      while (openOf(index).length > maxOpen) await sleep(50)
      const mail = `${found}From: ${senders[index % senders.length]}\r\nTo: ${fake.address}\r\nMessage-ID: <k${index}@example.test>\r\n\r\n${text}\r\n`
      fake.drop(mail)
      // Each is delivered twice.
      fake.drop(mail)
      await sleep(300 * (index % 4))
      if (index % 4 === 3) await rig.killGuest()
      else rig.killChannels()
    }
    // As long as answers come, patience begins anew.
    for (let left = openOf(kills).length; left > 0; left = openOf(kills).length)
      await eventually(
        () => openOf(kills).length < left,
        () => `answers of ${openOf(kills).join(', ')}; ${rig.logs()}`,
      )
    assert.deepEqual(
      said.map((text) => answers(text)),
      said.map(() => 1),
    )
    // A turn whose guest was killed while the model answered asks it again, and is the same turn.
    const turns = (await rig.call('session.list', { limit: 1_000 })).reduce((sum, each) => sum + each.turns, 0)
    assert.equal(turns, said.length)
  } finally {
    await fake.close()
    servers.stop()
  }
})

function makeCertificate(folder: string): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const asked = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2', '-keyout', key, '-out', cert]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...asked], { stdio: 'ignore' })
  return { cert, key }
}

/** TLS from the first byte, in front of a server that speaks none. @returns null where something else has the port */
async function tlsBefore(port: number, usual: number, files: { readonly cert: string; readonly key: string }): Promise<Server | null> {
  const server = createServer({ cert: readFileSync(files.cert), key: readFileSync(files.key) }, (client) => {
    const onward = connect(port, '127.0.0.1')
    client.on('error', () => onward.destroy()).on('close', () => onward.destroy())
    onward.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.pipe(onward).pipe(client)
  })
  return new Promise((resolve) => {
    server.once('error', () => resolve(null)).listen(usual, '127.0.0.1', () => resolve(server))
  })
}

test('mail is read and answered at the usual ports, where TLS begins with the first byte', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-tls-'))
  const files = makeCertificate(folder)
  const servers = await startMailServers()
  const relays = await Promise.all([tlsBefore(servers.imapPort, 993, files), tlsBefore(servers.smtpPort, 465, files)])
  try {
    if (relays.includes(null)) return t.skip('something else listens on 993 or 465')
    await using model = await startModel({ turns: [{ steps: [{ events: [{ text: 'From the first byte.' }] }] }] })
    const address = servers.newBox()
    const options = { address, imap: 'localhost', smtp: 'localhost', authserv_id: 'mx.oxbow.test', settle_ms: '300' }
    const channel = { kind: 'email', secrets: { password: servers.password }, options }
    await using rig = await startRig({ model, env: { NODE_EXTRA_CA_CERTS: files.cert } })
    const added = await rig.call('channel.add', channel)
    assert.deepEqual([added.state, added.why], ['up', ''])
    await rig.call('identity.link', { channel: 'email', space: 'example.test', sender: 'ada@example.test', role: 'owner' })
    servers.drop(address, `${found}From: ada@example.test\r\nTo: ${address}\r\nMessage-ID: <t2@example.test>\r\n\r\nhello\r\n`)
    await eventually(
      () => servers.files('ada@example.test').some((file) => readFileSync(file, 'latin1').includes('From the first byte.')),
      () => rig.logs(),
    )
  } finally {
    relays.forEach((relay) => relay?.close())
    servers.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

test(
  'mail is read and answered over TLS with a certificate that the person trusts, and no password is sent to another',
  { skip },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'oxbow-tls-'))
    const { cert, key } = makeCertificate(folder)
    const servers = await startMailServers({ cert, key })
    try {
      await using model = await startModel({ turns: [{ steps: [{ events: [{ text: 'Over TLS.' }] }] }] })
      const address = servers.newBox()
      const [imap, smtp] = [servers.imapPort, servers.smtpPort].map((port) => `localhost:${port}`) as [string, string]
      const options = { address, imap, smtp, authserv_id: 'mx.oxbow.test', settle_ms: '300' }
      const channel = { kind: 'email', secrets: { password: servers.password }, options }
      {
        await using rig = await startRig({ model })
        const { state, why } = await rig.call('channel.add', channel)
        assert.equal(state, 'failed')
        assert.match(why, /offers no TLS that could be trusted, so the password was not sent/)
      }
      await using rig = await startRig({ model, env: { NODE_EXTRA_CA_CERTS: cert } })
      const added = await rig.call('channel.add', channel)
      assert.deepEqual([added.state, added.why], ['up', ''])
      await rig.call('identity.link', { channel: 'email', space: 'example.test', sender: 'ada@example.test', role: 'owner' })
      servers.drop(address, `${found}From: ada@example.test\r\nTo: ${address}\r\nMessage-ID: <t1@example.test>\r\n\r\nhello\r\n`)
      const mails = (): readonly string[] => servers.files('ada@example.test').map((file) => readFileSync(file, 'latin1'))
      const answer = await eventually(
        () => mails().find((mail) => mail.includes('Over TLS.')),
        () => rig.logs(),
      )
      // Postfix says how it was sent to it.
      assert.match(answer, /with ESMTPSA/)
    } finally {
      servers.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

const originOf = (rig: ChannelRig): string => rig.guest().url.replace(/^ws(.*)\/ws$/, 'http$1')

test('a webhook of GitHub is a turn, also after a restart', async () => {
  await using model = await startModel({ turns: [{ steps: [{ events: [{ text: 'Seen.' }] }] }] })
  await using rig = await startRig({ model })
  const { secret, hook, state } = await rig.call('channel.add', {
    kind: 'webhook',
    name: 'gh',
    secrets: {},
    options: { template: 'github' },
  })
  assert.deepEqual([hook, state], ['/hooks/gh', 'up'])
  const post = async (title: string): Promise<number> => {
    const body = JSON.stringify({ action: 'opened', repository: { full_name: 'ada/engine' }, issue: { number: 1, title } })
    const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
    const headers = { 'content-type': 'application/json', 'x-github-event': 'issues', 'x-hub-signature-256': signature }
    return (await fetch(`${originOf(rig)}${hook}`, { method: 'POST', body, headers })).status
  }
  assert.equal(await post('It stops'), 202)
  await eventually(() => model.requests.length === 1, 'the turn')
  await rig.restart()
  assert.equal(await post('It stops'), 202)
  assert.equal(await post('It stops again'), 202)
  await eventually(() => model.requests.length === 2, 'the second turn')
  assert.match(String(model.requests[1]!.at(-1)!.content), /from a member[\s\S]*<<data[\s\S]*It stops again/)
  assert.equal((await rig.call('session.list', {})).filter(({ title }) => title.startsWith('gh:')).length, 1)
})
