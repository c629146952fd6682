/** Longer journeys on the pages Journal, Files and Now: a restore with its preview, a check that is stopped, drops, and a guest that is gone. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { checkAccessible, noChromium, openWebRig, screenshot, type WebRig } from './web-fixture.ts'

/** 1 × 1, red. */
const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==', 'base64')

const script = [
  { events: [{ tool_call: { name: 'shell_exec', arguments: { command: 'echo hello' } } }] },
  { events: [{ text: 'It said hello.' }] },
]

/** Answers of lists come as they are, or as the one value of an object. */
const pendingOf = <Item>(answer: readonly Item[] | { readonly value: readonly Item[] }): readonly Item[] =>
  'value' in answer ? answer.value : answer

describe('journeys on the pages that watch', { skip: noChromium }, () => {
  let rig: WebRig
  const open = async (path: string, title: string): Promise<void> => {
    await rig.page.goto(`${rig.address}${path}`)
    await rig.page.getByRole('heading', { name: title, level: 1 }).waitFor()
  }
  const file = (name: string): string => join(rig.workspace.shared, name)
  before(async () => {
    rig = await openWebRig({ script })
    writeFileSync(file('letter.md'), 'Dear Ada,\n')
    await rig.call('version.commit', { message: 'A letter' })
    writeFileSync(file('letter.md'), 'Dear Ada,\nall is lost.\n')
    writeFileSync(file('new.txt'), 'new\n')
    await rig.call('version.commit', { message: 'A sad letter' })
  })
  after(() => rig[Symbol.asyncDispose]())

  it('previews a restore, changes nothing until it is confirmed, and can be undone', async () => {
    const { page } = rig
    await open('/files?view=history', 'Files')
    await page.getByRole('button', { name: /^A letter/ }).click()
    await page.getByRole('button', { name: 'Restore this version…' }).click()
    const dialog = page.getByRole('dialog')
    const changes = dialog.getByRole('list', { name: 'What would change' })
    await changes.waitFor()
    assert.deepEqual(await changes.getByRole('listitem').allInnerTexts(), ['replace\n/shared/letter.md', 'delete\n/shared/new.txt'])
    await checkAccessible(page)
    await screenshot(page, 'files-restore')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    assert.match(readFileSync(file('letter.md'), 'utf8'), /lost/)

    await page.getByRole('button', { name: 'Restore this version…' }).click()
    await dialog.getByRole('button', { name: 'Restore', exact: true }).click()
    await page.getByText('2 files restored').waitFor()
    assert.equal(readFileSync(file('letter.md'), 'utf8'), 'Dear Ada,\n')
    assert.ok(!existsSync(file('new.txt')))

    await page.getByRole('button', { name: /^A sad letter/ }).click()
    await page.getByRole('button', { name: 'Restore this version…' }).click()
    await dialog.getByRole('button', { name: 'Restore', exact: true }).click()
    await dialog.waitFor({ state: 'hidden' })
    assert.match(readFileSync(file('letter.md'), 'utf8'), /lost/)
    assert.ok(existsSync(file('new.txt')))
  })

  it('walks the tree by keyboard, compares versions, shows pictures and refuses to render a page', async () => {
    const { page } = rig
    writeFileSync(file('dot.png'), png)
    writeFileSync(file('page.html'), '<script>document.title = "taken"</script><h1>Hello</h1>')
    await open('/files', 'Files')
    await page.getByRole('treeitem', { name: 'Workspace' }).focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.getByRole('img', { name: 'dot.png' }).waitFor()
    const width = await page.getByRole('img', { name: 'dot.png' }).evaluate(async (image: HTMLImageElement) => {
      await image.decode()
      return image.naturalWidth
    })
    assert.equal(width, 1, 'the picture is loaded')
    await page.getByRole('treeitem', { name: 'page.html' }).click()
    await page.getByText('<h1>Hello</h1>').waitFor()
    assert.equal(await page.title(), 'Files · Oxbow')
    await page.getByRole('treeitem', { name: 'letter.md' }).click()
    await page.getByRole('tab', { name: 'Content' }).press('ArrowRight')
    await page.getByRole('button', { name: /^A letter/ }).click()
    const other = page.getByLabel('Compared with')
    await other.selectOption({ index: 1 })
    await page.getByRole('cell', { name: /added: all is lost/ }).waitFor()
  })

  it('leads from a waiting call to its decision, and the journal says who decided', async () => {
    const { page } = rig
    const { id: session } = await rig.call<{ id: string }>('session.create', { title: 'Greeting' })
    await open('/now', 'Now')
    const turn = rig.call('turn.send', { text: 'Say hello', session })
    const link = page.getByRole('link', { name: 'Decide shell.exec' })
    await link.waitFor()
    assert.equal(await link.getAttribute('href'), `/chat/${session}`)
    const [waiting] = pendingOf(await rig.call<readonly { call: string }[]>('approval.list', {}))
    const call = waiting!.call
    await rig.call('call.decide', { call, allow: true })
    await turn
    await page.getByText('nothing to decide').waitFor()
    await open(`/journal?call=${call}`, 'Journal')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('approved by user:ada').waitFor()
    await dialog.getByText('Asked because').waitFor()
    await checkAccessible(page)
  })

  it('takes files that are dropped on a folder', async () => {
    const { page } = rig
    await open('/files', 'Files')
    await page.getByText('Drop files here').waitFor()
    const transfer = await page.evaluateHandle(() => {
      const dropped = new DataTransfer()
      dropped.items.add(new File(['dropped\n'], 'dropped & more #1.txt', { type: 'text/plain' }))
      return dropped
    })
    await page.locator('.folder').dispatchEvent('drop', { dataTransfer: transfer })
    await page.getByText('uploaded, ').waitFor()
    assert.equal(readFileSync(file('dropped & more #1.txt'), 'utf8'), 'dropped\n')
    await page.getByRole('treeitem', { name: 'dropped & more #1.txt' }).click()
    await page.getByText('dropped', { exact: true }).waitFor()
  })

  it('asks before an upload replaces a file', async () => {
    const { page } = rig
    await open('/files', 'Files')
    await page.getByRole('cell', { name: 'new.txt' }).waitFor()
    await page.locator('input[type=file]').setInputFiles({ name: 'new.txt', mimeType: 'text/plain', buffer: Buffer.from('newer\n') })
    await page.getByText('exists already').waitFor()
    assert.equal(readFileSync(file('new.txt'), 'utf8'), 'new\n')
    await page.getByRole('button', { name: 'Replace' }).click()
    await page.getByText('uploaded, ').waitFor()
    assert.equal(readFileSync(file('new.txt'), 'utf8'), 'newer\n')
  })

  it('shows how far a check of a long journal is, and stops it', async () => {
    const { page } = rig
    for (let left = 40; left > 0; left--)
      await Promise.all(Array.from({ length: 100 }, () => rig.call('audit.append', { action: 'filled', resource: 'x'.repeat(200) })))
    await open('/journal', 'Journal')
    await page.getByRole('button', { name: 'Load older records' }).waitFor()
    await page.getByRole('button', { name: 'Load older records' }).click()
    await page.getByText('100 records, and older ones').waitFor()
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText(/^Not checked since|^The journal verifies/).waitFor()
    await page.getByRole('button', { name: 'Verify' }).click()
    await page.getByText('The journal verifies').waitFor()
  })

  it('says when the guest is gone, and goes on by itself when it is back', async () => {
    const { page } = rig
    await open('/now', 'Now')
    await rig.kill()
    await page.getByText('Oxbow does not answer').waitFor()
    await checkAccessible(page)
    await rig.restart()
    await page.getByText('Oxbow does not answer').waitFor({ state: 'hidden' })
    await page.getByText('Nothing runs').waitFor()
  })
})
