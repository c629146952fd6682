/** plugin-bootstrap 1.7.2 and plugin-sql 1.7.2, installed by `oxbow plugin add npm:…` and used in a real guest and its sandbox. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startModel, type TestModel } from '../support/model.ts'
import { openProofHome, type ProofHome, startConfig } from './proof-home-fixture.ts'

const bootstrap = '@elizaos/plugin-bootstrap@1.7.2'
const sql = '@elizaos/plugin-sql@1.7.2'
const answer = (text: string) => ({ events: [{ text }] })

describe('plugin-bootstrap and plugin-sql from the registry', { timeout: 1_200_000 }, () => {
  let model: TestModel
  let home: ProofHome
  before(async () => {
    model = await startModel({
      turns: [
        { match: '# Task: Generate dialog', steps: [answer('<response><thought>t</thought><text>Ahoy, I am Ada.</text></response>')] },
        { match: '# Task: Generate Agent Reflection', steps: [answer('<response><thought>She likes boats.</thought></response>')] },
        { match: 'following', steps: [answer('yes')] },
        {
          match: 'Greet me by the plugin',
          steps: [{ events: [{ tool_call: { name: 'plugin-bootstrap_reply', arguments: {} } }] }, answer('Done: {{last}}')],
        },
        { steps: [answer('Plain answer.')] },
      ],
    })
    home = await openProofHome({
      packages: [{ spec: bootstrap }, { spec: sql }],
      config: `${startConfig(model, ['plugin-bootstrap', 'plugin-sql'])}
[plugins.settings.plugin-bootstrap.character]
name = "Ada"
bio = "Ada sails."
`,
    })
  })
  after(async () => {
    await home?.[Symbol.asyncDispose]()
    await model?.[Symbol.asyncDispose]()
  })

  it('are proposed, shown with their rights, and installed without their scripts', () => {
    const { proposed, shown } = home.installed[bootstrap]!
    assert.match(proposed, /packages: @elizaos\/core, zod/)
    assert.match(shown, /Scripts of these packages are not run:\s+esbuild/)
    assert.match(shown, /ask any model\s+spend \$1 a day/)
    assert.match(shown, /It has 13 actions, 16 providers, 1 evaluator, 2 services, 1 task, 15 events\./)
  })
  it('replies as its character, by the model of the guest', async () => {
    const reply = await home.call('plugin-bootstrap.reply', { text: 'Good morning' })
    assert.match(reply.text, /Ahoy, I am Ada\./)
    assert.match(JSON.stringify(model.requests.at(-1)), /# Task: Generate dialog for the character Ada/)
  })
  it('follows a room, keeps that, and says that it cannot follow it twice', async () => {
    const input = { text: 'Ada, please follow this room' }
    const followed = await home.call('plugin-bootstrap.follow_room', input)
    assert.deepEqual([followed.ok, followed.text], [true, 'Now following room: Ada'])
    assert.equal((await home.oxbow(['plugin', 'reload', 'plugin-bootstrap'])).exit, 0)
    assert.equal((await home.call('plugin-bootstrap.follow_room', input)).text, 'FOLLOW_ROOM cannot be used for this message.')
  })
  it('takes part in a turn: the model calls its action, and providers add to the context', async () => {
    assert.match(await home.say('Greet me by the plugin'), /^Done: .*Ahoy, I am Ada\./s)
    const texts = model.requests.map((request) => JSON.stringify(request))
    assert.match(texts.find((text) => text.includes('You are ox') && text.includes('Greet me')) ?? '', /Ada sails\./)
    assert.match(
      texts.find((text) => text.includes('# Task: Generate dialog') && text.includes('Greet me')) ?? '',
      /Greet me by the plugin/,
    )
  })
  it('says that no picture can be made, and why in its log', async () => {
    const picture = await home.call('plugin-bootstrap.generate_image', { text: 'Draw a boat' })
    assert.equal(picture.ok, false)
    assert.match((await home.oxbow(['plugin', 'logs', 'plugin-bootstrap'])).out, /[Ii]mage/)
  })
  it('plugin-sql finds an adapter and adds none', async () => {
    assert.match((await home.oxbow(['plugin', 'test', 'plugin-sql'])).out, /has no tests/)
    assert.match((await home.oxbow(['plugin', 'logs', 'plugin-sql'])).out, /Database adapter already registered, skipping creation/)
    const { exports } = await home.info('plugin-sql')
    assert.deepEqual([exports.actions, exports.services, exports.models], [[], [], []])
  })
})
