/** The pages of what guards: keys, roles, learned rules, programs; what each adds, shows and takes back, with the words of the verbs. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { removePattern, removeRole, revokeKey, revokeRule } from '../../src/terminal/index.ts'
import { openOwnerRig, type OwnerRig } from './owner-rig.ts'
import { asPhone, checkAccessible, checkLook, noChromium, openPage, openWebRig, screenshot } from './web-fixture.ts'

describe('the pages of what guards', { skip: noChromium }, () => {
  let rig: OwnerRig
  let page: Page
  const dialog = (): Locator => page.getByRole('dialog')
  const confirm = async (verb: string, means: string): Promise<void> => {
    await dialog().getByText(means).waitFor()
    await checkAccessible(page)
    await dialog().getByRole('button', { name: verb, exact: true }).click()
    await dialog().waitFor({ state: 'hidden' })
  }
  before(async () => {
    rig = await openOwnerRig()
    page = rig.page
  })
  after(() => rig[Symbol.asyncDispose]())

  it('makes a key, shows it once, and revokes it', async () => {
    await openPage(page, '/keys', 'Keys')
    await page.getByRole('link', { name: /^web-/ }).waitFor()
    await page.getByRole('button', { name: 'New key' }).click()
    await dialog().getByLabel('Name').fill('ci')
    await dialog().getByRole('button', { name: 'analyst' }).click()
    await dialog().getByLabel('Days until it expires').fill('soon')
    await dialog().getByText('A whole number of days.').waitFor()
    assert.ok(await dialog().getByRole('button', { name: 'Make the key' }).isDisabled())
    await dialog().getByLabel('Days until it expires').fill('30')
    await checkAccessible(page)
    await dialog().getByRole('button', { name: 'Make the key' }).click()
    const key = await dialog().locator('.made-key code').textContent()
    assert.match(key!, /^oxbow_/)
    await checkAccessible(page)
    await dialog().getByRole('button', { name: 'I have it' }).click()
    await page.getByRole('heading', { name: 'ci', level: 2 }).waitFor()
    assert.equal(await page.getByText(key!).count(), 0, 'nothing shows it again')
    assert.doesNotMatch(await page.evaluate(() => JSON.stringify([localStorage, sessionStorage])), new RegExp(key!))
    await checkLook(page, 'keys')
    await screenshot(page, 'keys')
    await page.reload()
    await page.getByRole('heading', { name: 'ci', level: 2 }).waitFor()
    await page.getByRole('button', { name: 'Revoke' }).click()
    await dialog().getByRole('heading', { name: 'Revoke the key ci?' }).waitFor()
    await confirm('Revoke', revokeKey('ci').means)
    await page.getByText(revokeKey('ci').done).waitFor()
    const keys = await rig.call<{ value: { name: string }[] }>('key.list', {})
    assert.ok(keys.value.every(({ name }) => name !== 'ci'))
  })

  it('holds names and rights without a place to break, on a phone and in a question', async () => {
    const [name, right] = ['x'.repeat(49), `file.read:/shared/${'a-very-long-folder-name-'.repeat(12)}`]
    await rig.call('key.create', { name, rights: [right] })
    await page.reload()
    await page.getByRole('link', { name: new RegExp(name) }).click()
    await checkLook(page, 'a long name')
    await asPhone(page, async () => {
      await page.getByRole('button', { name: 'Revoke' }).click()
      const edges = await dialog().evaluate((element) => element.scrollWidth - element.clientWidth)
      assert.ok(edges <= 0, 'the dialog scrolls sideways')
      await checkAccessible(page)
      await page.keyboard.press('Escape')
    })
  })

  it('says why a call is refused, in the dialog where it was asked for', async () => {
    await page.getByRole('button', { name: 'New key' }).click()
    await dialog().getByLabel('Name').fill('ci')
    await dialog().getByLabel('Rights').fill('no.such.right!')
    await dialog().getByRole('button', { name: 'Make the key' }).click()
    await dialog().getByRole('alert').waitFor()
    await checkAccessible(page)
    await page.keyboard.press('Escape')
    await dialog().waitFor({ state: 'hidden' })
  })

  it('says so where an address names a key that is gone', async () => {
    await openPage(page, '/keys?open=gone', 'Keys')
    await page.getByText('This key is not here any more.').waitFor()
    await checkLook(page, 'a key that is gone')
  })

  it('adds a role, changes and removes it; the roles from Oxbow stay', async () => {
    await openPage(page, '/roles?open=worker', 'Roles')
    await page.getByText('It came with Oxbow, and cannot be changed or removed.').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Remove' }).count(), 0)
    await page.getByRole('button', { name: 'New role' }).click()
    await dialog().getByLabel('Name').fill('worker')
    await dialog().getByLabel('Rights').fill('analyst\nfile.write:/shared/reports')
    await dialog().getByRole('button', { name: 'Add the role' }).click()
    const refusal = await dialog().getByRole('alert').textContent()
    assert.equal(refusal, 'role: must not be a role that Oxbow has.', 'nothing that is meant for a model')
    await dialog().getByLabel('Name').fill('reporter')
    await dialog().getByRole('button', { name: 'Add the role' }).click()
    await page.getByRole('heading', { name: 'reporter', level: 2 }).waitFor()
    await page.getByText('The role reporter has: analyst file.write:/shared/reports').waitFor()
    await page.getByRole('button', { name: 'Change', exact: true }).click()
    await dialog().getByLabel('Rights').fill('analyst')
    await dialog().getByRole('button', { name: 'Save' }).click()
    await dialog().waitFor({ state: 'hidden' })
    await checkLook(page, 'roles')
    await page.getByRole('button', { name: 'Remove' }).click()
    await confirm('Remove', removeRole('reporter').means)
    await page.getByText(removeRole('reporter').done).waitFor()
  })

  it('allows a program, denies another one, and takes a pattern back', async () => {
    await openPage(page, '/programs', 'Programs')
    await page.getByText('No program may be run without a shell yet.').waitFor()
    for (const [pattern, choice] of [
      ['git log **', 'allow'],
      ['git push', 'deny'],
    ] as const) {
      await page.getByRole('button', { name: 'New pattern' }).click()
      await dialog().getByLabel('Program and arguments').fill(pattern)
      await dialog().getByLabel('What to do').selectOption(choice)
      await checkAccessible(page)
      await dialog()
        .getByRole('button', { name: choice === 'allow' ? 'Allow' : 'Deny', exact: true })
        .click()
      await page.getByRole('heading', { name: pattern, level: 2 }).waitFor()
    }
    await checkLook(page, 'programs')
    await screenshot(page, 'programs')
    await page.getByRole('button', { name: 'Remove' }).click()
    await confirm('Remove', removePattern('git push', 'deny').means)
    const { patterns } = await rig.call<{ patterns: { pattern: string }[] }>('exec.rules', {})
    assert.deepEqual(
      patterns.map(({ pattern }) => pattern),
      ['git log **'],
    )
  })
})

describe('the page of learned rules', { skip: noChromium }, () => {
  it('shows what “Always…” has kept, where it came from, and revokes it', async () => {
    const script = [
      { events: [{ tool_call: { name: 'shell_exec', arguments: { command: 'echo hello' } } }] },
      { events: [{ text: 'It is over.' }] },
    ]
    await using rig = await openWebRig({ script, config: { approval: { calls: { 'shell.exec': 'ask' } }, memory: { embedder: 'none' } } })
    const { page } = rig
    await openPage(page, '/rules', 'Learned rules')
    await page.getByText('You are asked about every call that needs it.').waitFor()
    await checkLook(page, 'no rules')
    await page.getByRole('link', { name: 'Chat' }).click()
    await page.getByRole('textbox', { name: /message/i }).fill('Say hello')
    await page.keyboard.press('Enter')
    const approval = page.getByRole('region', { name: 'Approval of shell.exec' })
    await approval.getByRole('button', { name: 'Always…' }).click()
    await approval.getByRole('button', { name: 'Allow and keep the rule' }).click()
    await page.getByText('It is over.').waitFor()
    await page.getByRole('link', { name: 'Learned rules' }).click()
    await page.getByRole('link', { name: /echo hello/ }).click()
    await page.getByText('Show it in the journal').waitFor()
    await checkLook(page, 'rules')
    await screenshot(page, 'rules')
    await page.getByRole('button', { name: 'Revoke' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText(revokeRule('').means).waitFor()
    await checkAccessible(page)
    await dialog.getByRole('button', { name: 'Revoke', exact: true }).click()
    await page.getByText(revokeRule('').done).waitFor()
    await page.getByText('You are asked about every call that needs it.').waitFor()
  })
})
