import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { testBrowser, testLimits } from '../sandbox-fixture.ts'
import { prepareFolders } from '../create-sandbox.ts'
import { bubblewrapTier } from './bubblewrap-tier.ts'

const skip = process.getuid?.() !== 0 && 'only root gives folders to hands'

it(
  'hands that are the first and start at the same moment are counted together: nothing is given away while some live',
  { skip },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'oxbow-tier-'))
    t.after(() => rmSync(root, { recursive: true }))
    const plan = await bubblewrapTier.plan({
      folders: await prepareFolders(root),
      limits: testLimits,
      diskProblem: null,
      browser: testBrowser,
      searchPath: process.env['PATH'] ?? '',
      cacheFolder: root,
      imageFolder: root,
      logger: () => {},
    })
    assert.ok('start' in plan)
    const [first, second] = await Promise.all([plan.start('work'), plan.start('work')])
    await second.kill()
    const file = join(root, 'shared', 'of the person')
    writeFileSync(file, '')
    const third = await plan.start('work')
    assert.equal(statSync(file).uid, 0)
    await Promise.all([first.kill(), third.kill()])
    await plan.close()
  },
)
