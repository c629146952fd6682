/** The page of spaces: names, sizes and what is shared, and nothing of what is in another space. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { addMemoryShares, addShare, newSpace, openHome, sharedAs, spaceWorkspace } from '../../src/runner/index.ts'
import { openOwnerRig, type OwnerRig } from './owner-rig.ts'
import { checkLook, noChromium, openPage, screenshot } from './web-fixture.ts'

describe('the page of spaces', { skip: noChromium }, () => {
  let rig: OwnerRig
  let page: Page
  before(async () => {
    rig = await openOwnerRig()
    page = rig.page
  })
  after(() => rig[Symbol.asyncDispose]())

  it('lists them with what they share, and no content', async () => {
    const home = openHome({ OXBOW_HOME: join(rig.workspace.root, '..', '..') })
    const person = rig.workspace.user
    for (const name of ['taxes', 'club']) newSpace(home, person, { name, about: `about ${name}`, words: ['tax'], paths: [], created_at: 1 })
    const taxes = spaceWorkspace(home, person, 'taxes')
    writeFileSync(join(taxes.shared, 'the-secret-file.txt'), 'x'.repeat(4_000))
    const real = join(taxes.shared, 'figures')
    mkdirSync(real)
    addShare({ home, workspace: spaceWorkspace(home, person, 'club'), env: {} }, real, { name: 'figures', readOnly: true, space: 'taxes' })
    addMemoryShares(home, person, [{ from: 'taxes', to: 'club', id: 'note-1', copy: sharedAs('taxes', 'note-1'), at: 1 }])
    await openPage(page, '/spaces?open=club', 'Spaces')
    await page.getByText('/shared/figures (to be read) of taxes').waitFor()
    await page.getByText(`${sharedAs('taxes', 'note-1')} (to be read) of taxes`).waitFor()
    await page.getByText('oxbow space use club').waitFor()
    await openPage(page, '/spaces?open=taxes', 'Spaces')
    await page.getByText('/shared/figures (to be read) in club').waitFor()
    await page.getByText('4.0 kB').waitFor()
    assert.doesNotMatch(await page.content(), /the-secret-file/)
    await checkLook(page, 'spaces')
    await screenshot(page, 'spaces')
  })
})
