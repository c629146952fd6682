/** plugin-bootstrap 1.7.2 and plugin-sql 1.7.2, installed by `oxbow plugin add npm:…` and used in a real guest and its sandbox. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startModel, type TestModel } from '../support/model.ts'
import { openProofHome, type ProofHome } from './proof-home-fixture.ts'

const bootstrap = '@elizaos/plugin-bootstrap@1.7.2'
const sql = '@elizaos/plugin-sql@1.7.2'

describe('plugin-bootstrap and plugin-sql from the registry', () => {
  let model: TestModel
  let home: ProofHome
  before(async () => {
    model = await startModel({
      turns: [
        {
          match: '# Task: Generate dialog',
          steps: [{ events: [{ text: '<response><thought>t</thought><text>Ahoy, I am Ada.</text></response>' }] }],
        },
        { match: 'YES or NO', steps: [{ events: [{ text: 'YES' }] }] },
        {
          match: 'Greet me by the plugin',
          steps: [{ events: [{ tool_call: { name: 'plugin-bootstrap_reply', arguments: {} } }] }, { events: [{ text: 'Done: {{last}}' }] }],
        },
        { steps: [{ events: [{ text: 'Plain answer.' }] }] },
      ],
    })
    home = await openProofHome({
      packages: [{ spec: bootstrap }, { spec: sql }],
      config: `
[model]
provider = "openai"
base_url = "${model.config.base_url}"
[agent]
rights = ["user", "plugin.plugin-bootstrap", "plugin.plugin-sql"]
[approval]
side_effecting = "allow"
privileged = "allow"
[plugins]
tier = "unlimited"
[plugins.settings.plugin-bootstrap.character]
name = "Ada"
bio = "Ada sails."
`,
      secrets: { OPENAI_API_KEY: 'sk-of-no-worth' },
    })
  })
  after(async () => {
    await home?.[Symbol.asyncDispose]()
    await model?.[Symbol.asyncDispose]()
  })

  it('was proposed, shown and installed without its scripts', () => {
    const { proposed, shown } = home.installed[bootstrap]!
    console.log(proposed, shown)
    assert.match(shown, /Scripts of these packages are not run/)
  })
  it('is described', async () => {
    const { exports } = await home.info('plugin-bootstrap')
    assert.deepEqual([exports.actions.length, exports.providers.length, exports.evaluators.length, exports.services.length], [13, 16, 1, 2])
    console.log((await home.oxbow(['calls'])).out.split('\n').filter((l) => /bootstrap/.test(l)))
    console.log(await home.oxbow(['call', 'plugin-bootstrap.reply', '{"text":"Good morning"}', '--json']))
    console.log(await home.oxbow(['exec', 'Greet me by the plugin']))
    console.log(await home.oxbow(['plugin', 'logs', 'plugin-bootstrap']))
    console.log(
      JSON.stringify(
        model.requests.map((m) => m.map(({ role, content }) => [role, String(content).slice(0, 600)])),
        null,
        1,
      ),
    )
    console.log(home.printed(), existsSync(join(home.folder, '.oxbow')))
  })
})
