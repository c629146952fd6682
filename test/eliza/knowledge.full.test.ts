/** plugin-knowledge 1.6.1 with plugin-sql and plugin-bootstrap in one process, used as a person does. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { elizaPackages, entriesOf, type FakeGuest, messageOf, openFakeGuest } from './eliza-packages-fixture.ts'

const fact = 'The lighthouse of Skagen was built in 1858 and its lamp is forty-six metres high.'

describe('plugin-knowledge 1.6.1', () => {
  let guest: FakeGuest
  const prompts: string[] = []
  before(async () => {
    await elizaPackages()
    guest = await openFakeGuest({
      entries: entriesOf('plugin-sql', 'plugin-bootstrap', 'plugin-knowledge'),
      settings: { LOAD_DOCS_ON_STARTUP: 'false' },
      model({ text }) {
        prompts.push(text)
        const known = text.includes('forty-six metres')
        return `<response><thought>t</thought><text>${known ? 'It is forty-six metres high.' : 'I do not know.'}</text></response>`
      },
    })
    await guest.ask('service', { type: 'knowledge' })
    guest.background()
  })
  after(() => guest.close())

  const ask = async (method: string, path: string, query: Record<string, string> = {}, headers: Record<string, string> = {}, body = '') => {
    const answer = await guest.ask('route', {
      method,
      path,
      route: path,
      params: {},
      query,
      headers,
      body: Buffer.from(body).toString('base64'),
    })
    const text = Buffer.from(answer.body, 'base64').toString()
    return { status: answer.status, type: answer.headers['content-type'] ?? '', text, json: text.startsWith('{') ? JSON.parse(text) : null }
  }
  let agentId = ''
  let document = ''

  it('has 11 routes, and only the panel is public', async () => {
    const { routes } = await guest.ask('describe', {})
    assert.equal(routes.length, 11)
    assert.deepEqual(
      routes.filter((route) => route.public).map(({ path }) => path),
      ['/display'],
    )
    const panel = await ask('GET', '/display')
    assert.equal(panel.status, 200)
    assert.match(panel.type, /text\/html/)
    agentId = /agentId: '([^']+)'/.exec(panel.text)?.[1] ?? ''
    assert.match(agentId, /^[0-9a-f-]{36}$/)
  })
  it('takes a file by a form, and lists it', async () => {
    const part = (head: string, text: string) => `--xx\r\nContent-Disposition: form-data; ${head}\r\n\r\n${text}\r\n`
    const file = part('name="files"; filename="skagen.txt"\r\nContent-Type: text/plain', fact)
    const form = `${part('name="agentId"', agentId)}${file}--xx--\r\n`
    const taken = await ask('POST', '/documents', {}, { 'Content-Type': 'multipart/form-data; boundary=xx' }, form)
    assert.equal(taken.status, 200, taken.text)
    const listed = await ask('GET', '/documents')
    assert.equal(listed.json.data.memories.length, 1)
    document = listed.json.data.memories[0].id
    assert.equal((await ask('GET', `/documents/${document}`, { agentId })).status, 200)
    assert.equal((await ask('GET', '/knowledges')).json.data.stats.documents, 1)
  })
  it('finds what the file says', async () => {
    const found = await ask('GET', '/search', { q: 'lamp of the Skagen lighthouse', threshold: '0.2' })
    assert.match(found.text, /forty-six metres/)
    assert.equal((await ask('GET', '/graph/nodes')).json.data.nodes.length > 0, true)
    assert.equal((await ask('GET', `/graph/node/${document}`)).status, 200)
    assert.equal((await ask('GET', `/graph/expand/${document}`)).status, 200)
  })
  it('answers a question from the file', async () => {
    const message = messageOf('How high is the lamp of the lighthouse of Skagen?')
    const { provided } = await guest.ask('provide', { names: ['KNOWLEDGE', 'AVAILABLE_DOCUMENTS'], message, state: {} })
    assert.match(provided[0]?.text ?? '', /forty-six metres/)
    assert.match(provided[1]?.text ?? '', /skagen/)
    const found = await guest.ask('action', {
      name: 'SEARCH_KNOWLEDGE',
      input: { text: 'Search your knowledge for the lamp of Skagen' },
      message,
      state: {},
    })
    assert.equal(found.ok, true)
    assert.match(found.text, /forty-six metres/)
    const reply = await guest.ask('action', { name: 'REPLY', input: { providers: ['KNOWLEDGE'] }, message, state: {} })
    assert.match(reply.text, /forty-six metres high/)
    assert.match(prompts.at(-1) ?? '', /forty-six metres/)
  })
  it('refuses what it cannot serve with the status of the plugin', async () => {
    assert.equal((await ask('GET', '/search')).status, 400)
    await assert.rejects(ask('GET', '/nothing'), /no route GET \/nothing/)
    await assert.rejects(guest.ask('action', { name: 'FLY', input: {}, message: null, state: {} }), /no action FLY/)
  })
  it('removes a file with its fragments', async () => {
    assert.equal((await ask('DELETE', `/documents/${document}`)).status, 204)
    assert.equal((await ask('GET', '/documents')).json.data.memories.length, 0)
  })
  it('keeps its data by calls of the store alone', () => {
    const names = new Set(guest.calls.map(({ name }) => name))
    assert.deepEqual([...names].toSorted(), ['model.complete', 'store.change', 'store.embed', 'store.read'])
  })
})
