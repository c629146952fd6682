/** plugin-knowledge 1.6.1, plugin-pdf 1.0.2 and plugin-dummy-services 1.7.2, installed by `oxbow plugin add npm:…` and used in a real guest. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startModel, type TestModel } from '../support/model.ts'
import { openProofHome, type ProofHome, startConfig } from './proof-home-fixture.ts'

const fact = 'The lighthouse of Skagen was built in 1858 and its lamp is forty-six metres high.'

/**
 * It reaches no host: it can send nothing away, so that its actions need no approval behind what others wrote. A route answers everybody only
 * where the person who installed the plugin says so, too.
 */
const withPublicPanel = (proposed: { readonly rights: object }): object => ({
  ...proposed,
  rights: { ...proposed.rights, hosts: [], public_routes: ['/display'] },
})

describe('plugin-knowledge, plugin-pdf and plugin-dummy-services from the registry', { timeout: 1_200_000 }, () => {
  let model: TestModel
  let home: ProofHome
  before(async () => {
    model = await startModel([
      {
        events: [
          { tool_call: { name: 'plugin-knowledge_search_knowledge', arguments: { text: 'Search your knowledge for the lamp of Skagen' } } },
        ],
      },
      { events: [{ text: 'From the file: {{last}}' }] },
    ])
    home = await openProofHome({
      packages: [
        { spec: '@elizaos/plugin-pdf@1.0.2' },
        { spec: '@elizaos/plugin-dummy-services@1.7.2' },
        { spec: '@elizaos/plugin-knowledge@1.6.1', narrow: withPublicPanel },
      ],
      config: `${startConfig(model, ['plugin-pdf', 'plugin-dummy-services', 'plugin-knowledge'])}
[plugins.settings.plugin-knowledge]
LOAD_DOCS_ON_STARTUP = "false"
`,
    })
  })
  after(async () => {
    await home?.[Symbol.asyncDispose]()
    await model?.[Symbol.asyncDispose]()
  })
  const json = async (path: string, init: RequestInit = {}): Promise<any> => {
    const answer = await home.route(`plugin-knowledge/${path}`, init)
    const text = await answer.text()
    assert.equal(answer.ok, true, `${path}: ${answer.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }
  let document = ''

  it('plugin-knowledge has 11 routes behind a key, and one panel for everybody', async () => {
    const { exports } = await home.info('plugin-knowledge')
    assert.equal(exports.routes.length, 11)
    assert.equal((await home.route('plugin-knowledge/documents', { open: true })).status, 401)
    // The first request starts its runtime, which reads what it has kept: one without a key makes no calls, and cannot.
    assert.equal((await home.route('plugin-knowledge/display', { open: true })).ok, false)
    assert.equal((await home.route('plugin-knowledge/display')).status, 200)
    const panel = await home.route('plugin-knowledge/display', { open: true })
    assert.match(panel.headers.get('content-type') ?? '', /text\/html/)
  })
  it('plugin-knowledge takes a file by a form, lists it, finds it by meaning and shows it as a graph', async () => {
    const panel = await (await home.route('plugin-knowledge/display')).text()
    const agentId = /agentId: '([^']+)'/.exec(panel)?.[1] ?? ''
    const form = new FormData()
    form.set('agentId', agentId)
    form.set('files', new Blob([fact], { type: 'text/plain' }), 'skagen.txt')
    await json('documents', { method: 'POST', body: form })
    const { data } = await json('documents')
    assert.equal(data.memories.length, 1)
    document = data.memories[0].id
    assert.equal((await json('knowledges')).data.stats.documents, 1)
    assert.match(JSON.stringify(await json('search?q=lamp+of+the+Skagen+lighthouse&threshold=0.05')), /forty-six metres/)
    assert.ok((await json('graph/nodes')).data.nodes.length > 0)
  })
  it('plugin-knowledge answers a question of a turn from the file', async () => {
    assert.match(await home.say('How high is the lamp of the lighthouse of Skagen?'), /^From the file: .*forty-six metres/s)
  })
  it('plugin-knowledge searches by its action, and forgets a file that is deleted', async () => {
    const found = await home.call('plugin-knowledge.search_knowledge', { text: 'Search your knowledge for the lamp of Skagen' })
    assert.match(found.text, /forty-six metres/)
    await json(`documents/${document}`, { method: 'DELETE' })
    assert.equal((await json('documents')).data.memories.length, 0)
    assert.equal((await home.route('plugin-knowledge/nothing')).status, 404)
  })
  it('plugin-dummy-services passes the tests that it brings along', async () => {
    const { exit, out } = await home.oxbow(['plugin', 'test', 'plugin-dummy-services'])
    assert.equal(exit, 0, out)
    assert.match(out, /^passed /m)
    const { state, exports } = await home.info('plugin-dummy-services')
    assert.equal(exports.services.length, 9)
    assert.match(state.log, /DummyWalletService\] started/)
  })
  it('plugin-pdf loads, with the service of PDFs', async () => {
    assert.match(home.installed['@elizaos/plugin-pdf@1.0.2']!.proposed, /hosts: none/)
    const { exports, state } = await home.info('plugin-pdf')
    assert.deepEqual(exports.services, [{ type: 'pdf', description: '_PdfService' }])
    assert.equal(state.problem, '')
  })
})
