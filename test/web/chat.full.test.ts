/** The Chat page: a streamed turn, tool calls, an approval, files, a restore, and a guest that is killed in the middle of an answer. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Locator } from 'playwright-core'
import type { Scenario } from '../../src/engine/index.ts'
import { asPhone, checkAccessible, noChromium, openWebRig, screenshot, type WebRig } from './web-fixture.ts'

const tool = (name: string, input: object) => ({ tool_call: { name, arguments: input as never } })

const prose = [
  'The notes list **three** open points. The first is settled by the new limit:\n\n',
  '```ts\nexport const maxPieceBytes: number = 2 * 1024 * 1024 // one frame\n```\n\n',
  '| point | state |\n| --- | --- |\n| limit of a piece | done |\n| names of files | open |\n\n',
  '1. Ask Ada about the names.\n2. Then close the list.\n',
]

const script: Scenario = {
  turns: [
    {
      match: 'notes',
      steps: [
        {
          events: [{ reasoning: 'The list is in notes.md.' }, { text: 'I read the notes first.' }, tool('file_read', { path: 'notes.md' })],
        },
        { events: [tool('file_edit', { path: 'notes.md', find: '- [ ] limit', replace: '- [x] limit' })] },
        { events: prose.map((text) => ({ text, chunk: 12 })), usage: { input: 1_450, output: 120 } },
      ],
    },
    {
      match: 'Clean',
      steps: [
        { events: [{ text: 'That needs the shell.' }, tool('shell_exec', { command: 'printf "one\\ntwo\\n" > cleaned.txt' })] },
        { events: [{ text: 'All clean.' }] },
      ],
    },
    {
      match: 'Wait',
      steps: [{ events: [tool('shell_exec', { command: 'echo begun; sleep 2; echo over' })] }, { events: [{ text: 'It is over.' }] }],
    },
    {
      match: 'picture',
      steps: [
        { events: [tool('media_send', { path: 'dot.png', media_type: 'photo', caption: 'A dot' })] },
        { events: [{ text: 'Here it is. <img src=x onerror="document.title=1">' }] },
      ],
    },
    { match: 'long', steps: [{ events: [{ text: 'begins ' }, { text: 'word ', count: 40 }, { delay_ms: 1_500 }, { text: 'and ends.' }] }] },
    {
      match: 'Remember it',
      steps: [
        { events: [{ tool_call: { name: 'memory_save', arguments: { content: 'The ox is named Bo.' } } }] },
        { events: [{ text: 'Remembered.' }] },
      ],
    },
    { match: 'meanwhile', steps: [{ events: [{ text: 'Both are done.' }] }] },
    { steps: [{ events: [{ text: 'Understood.' }] }] },
  ],
}

const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='

describe('the Chat page', { skip: noChromium }, () => {
  let rig: WebRig
  before(async () => {
    rig = await openWebRig({ script, config: { approval: { calls: { 'shell.exec': 'ask' } }, memory: { embedder: 'none' } } })
    writeFileSync(join(rig.workspace.shared, 'notes.md'), '# Notes\n\n- [ ] limit of a piece\n- [ ] names of files\n')
    writeFileSync(join(rig.workspace.shared, 'dot.png'), Buffer.from(dot, 'base64'))
    await rig.call('version.commit', { message: 'Before the tests' })
  })
  after(() => rig[Symbol.asyncDispose]())

  const send = async (text: string): Promise<void> => {
    await rig.page.getByRole('textbox', { name: 'Message' }).fill(text)
    await rig.page.keyboard.press('Enter')
  }
  const notes = (): string => readFileSync(join(rig.workspace.shared, 'notes.md'), 'utf8')
  const fresh = async (): Promise<void> => {
    await rig.page.getByRole('button', { name: 'New session' }).first().click()
    await rig.page.getByRole('heading', { name: 'What should we do?' }).waitFor()
  }

  it('streams an answer with its tool calls, by keyboard only', async () => {
    const { page } = rig
    await page.goto(`${rig.address}/chat`)
    await page.getByRole('heading', { name: 'What should we do?' }).waitFor()
    await checkAccessible(page)
    await screenshot(page, 'chat-new')
    await send('What is open in the notes?')
    await page.getByText('Then close the list.').waitFor()
    await page.getByRole('button', { name: 'Changed files' }).waitFor()
    assert.equal(await page.getByText('Understood').count(), 0)
    await page.getByText('untrusted: /shared/notes.md').waitFor()
    await page.getByRole('button', { name: /file\.edit/ }).click()
    await page.getByRole('region', { name: 'Changes' }).getByText('- [x] limit').waitFor()
    await page.locator('.hljs-keyword').first().waitFor()
    await checkAccessible(page)
    await screenshot(page, 'chat')
    await page.emulateMedia({ colorScheme: 'dark' })
    await checkAccessible(page)
    await screenshot(page, 'chat-dark')
    await page.emulateMedia({ colorScheme: 'light' })
    await asPhone(page, async () => {
      await checkAccessible(page)
      await screenshot(page, 'chat-phone')
    })
  })

  it('shows how strict the session is, whoever has set it', async () => {
    const { value: sessions } = await rig.call<{ value: readonly { id: string }[] }>('session.list', {})
    for (const [mode, badge] of [
      ['ask', 'asks before changes'],
      ['read_only', 'read only'],
    ] as const) {
      await rig.call('session.set_mode', { session: sessions[0]!.id, mode })
      await rig.page.getByText(badge, { exact: true }).waitFor()
    }
    await rig.call('session.set_mode', { session: sessions[0]!.id, mode: 'configured' })
    await rig.page.getByText('read only', { exact: true }).waitFor({ state: 'detached' })
  })

  it('asks before a risky call: once with an edited input, denied with a reason', async () => {
    const { page } = rig
    await fresh()
    await send('Clean up, please')
    const approval = page.getByRole('region', { name: 'Approval of shell.exec' })
    await approval.getByText('printf').first().waitFor()
    await checkAccessible(page)
    await screenshot(page, 'chat-approval')
    await approval.getByRole('button', { name: 'Always…' }).click()
    await approval.getByRole('radio', { name: /Exactly this call/ }).waitFor()
    await approval.getByRole('button', { name: 'Edit…' }).click()
    const input = approval.getByRole('textbox', { name: 'Run this instead' })
    await input.fill(JSON.stringify({ command: 'echo edited > cleaned.txt', cwd: '/shared', stdin: '', timeout_s: 60 }))
    await approval.getByRole('button', { name: 'Run the edited call' }).click()
    await page.getByText('All clean.').waitFor()
    assert.equal(readFileSync(join(rig.workspace.shared, 'cleaned.txt'), 'utf8'), 'edited\n')
    await send('Clean up again')
    await page.setViewportSize({ width: 1280, height: 560 })
    await approval.getByRole('button', { name: 'Deny…' }).click()
    await approval.getByRole('textbox', { name: /Reason/ }).fill('Not now')
    const bottomOf = async (place: Locator): Promise<number> => place.boundingBox().then((box) => box!.y + box!.height)
    const end = await bottomOf(approval.getByRole('button', { name: 'Deny', exact: true }))
    assert.ok(end <= (await bottomOf(page.getByRole('log', { name: 'Conversation' }))), 'what answers is on the screen')
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.keyboard.press('Enter')
    await page.getByText('refused', { exact: true }).waitFor()
    await page.getByText('All clean.').nth(1).waitFor()
  })

  it('keeps a rule that is shown word for word, and shows the output of a command while it runs', async () => {
    const { page } = rig
    await fresh()
    await send('Wait a little')
    const approval = page.getByRole('region', { name: 'Approval of shell.exec' })
    await approval.getByRole('button', { name: 'Always…' }).click()
    await approval.getByRole('radio', { name: /^Exactly this call/ }).waitFor()
    assert.match((await approval.getByRole('group', { name: 'Allow from now on' }).textContent()) ?? '', /echo begun; sleep 2; echo over/)
    await approval.getByRole('button', { name: 'Allow and keep the rule' }).click()
    await page.getByLabel('Output so far').getByText('begun').waitFor()
    await page.getByText('It is over.').waitFor()
    await page.getByRole('button', { name: /shell\.exec/ }).click()
    await page.getByRole('region', { name: 'Result' }).getByText('over').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Allow once' }).count(), 0)
    const rules = await rig.call<{ value: readonly { text: string }[] }>('approval.rules', {})
    assert.match(JSON.stringify(rules), /echo begun/)
  })

  it('shows a picture that the agent sends, and offers it to save', async () => {
    const { page } = rig
    await fresh()
    await send('Send me the picture')
    const picture = page.getByRole('img', { name: 'A dot' })
    await picture.waitFor()
    await page.waitForFunction((element) => (element as HTMLImageElement).naturalWidth === 1, await picture.elementHandle())
    await page.getByText('Here it is. <img').waitFor()
    assert.equal(await page.locator('.markdown img').count(), 0)
    assert.match(await page.title(), /Oxbow/)
    const downloading = page.waitForEvent('download')
    await page.getByRole('link', { name: 'Download dot.png' }).click()
    const download = await downloading
    assert.deepEqual(readFileSync(await download.path()), Buffer.from(dot, 'base64'))
  })

  it('attaches a pasted file, and sends it with the message', async () => {
    const { page } = rig
    await fresh()
    await page.getByRole('textbox', { name: 'Message' }).evaluate((element) => {
      const data = new DataTransfer()
      data.items.add(new File(['hello'], 'pasted.txt', { type: 'text/plain' }))
      element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
    })
    await page.getByRole('list', { name: 'Attached files' }).getByText('pasted.txt').waitFor()
    await send('Keep this')
    await page.getByText('Understood.').waitFor()
    await page.getByRole('article', { name: 'You' }).getByText('pasted.txt').waitFor()
  })

  it('undoes the changes of a turn, after it has shown them', async () => {
    const { page } = rig
    writeFileSync(join(rig.workspace.shared, 'notes.md'), '# Notes\n\n- [ ] limit of a piece\n- [ ] names of files\n')
    await rig.call('version.commit', { message: 'Before the undo' })
    await fresh()
    await send('Look at the notes')
    await page.getByRole('button', { name: 'Changed files' }).click()
    const dialog = page.getByRole('dialog', { name: 'Changed by this turn' })
    await dialog.getByText('- [x] limit of a piece').waitFor()
    await dialog.getByRole('region', { name: 'Undoing would' }).getByText('/shared/notes.md').waitFor()
    await checkAccessible(page)
    await screenshot(page, 'chat-undo')
    await dialog.getByRole('button', { name: 'Undo this' }).click()
    await dialog.getByText('All is as it was before this turn.').waitFor()
    assert.match(notes(), /- \[ \] limit/)
    await dialog.getByRole('button', { name: 'Bring it back' }).click()
    const back = page.getByRole('dialog', { name: 'Undone changes' })
    await back.getByRole('button', { name: 'Bring this back' }).click()
    await back.getByText('All is as it was before it was undone.').waitFor()
    assert.match(notes(), /- \[x\] limit/)
    await back.getByRole('button', { name: 'Close' }).last().click()
  })

  it('asks what to do about what was changed since, and shows what it would overwrite', async () => {
    const { page } = rig
    const edited = notes().replace('- [x] limit of a piece', '- [x] limit of a piece, which I looked at')
    writeFileSync(join(rig.workspace.shared, 'notes.md'), edited)
    await page.getByRole('button', { name: 'Changed files' }).click()
    const dialog = page.getByRole('dialog', { name: 'Changed by this turn' })
    await dialog.getByText('the same part has been changed since').waitFor()
    assert.equal(await dialog.getByRole('button', { name: 'Undo this' }).count(), 0)
    await dialog.getByRole('button', { name: 'Change nothing' }).click()
    assert.equal(notes(), edited)
    await page.getByRole('button', { name: 'Changed files' }).click()
    await dialog.getByRole('button', { name: 'Overwrite them' }).click()
    await dialog.getByText('- [x] limit of a piece, which I looked at').waitFor()
    await checkAccessible(page)
    await screenshot(page, 'chat-undo-overwrite')
    await dialog.getByRole('button', { name: 'Undo this' }).click()
    await dialog.getByText('All is as it was before this turn.').waitFor()
    assert.match(notes(), /- \[ \] limit of a piece\n/)
    await dialog.getByRole('button', { name: 'Close' }).last().click()
  })

  it('forks from a point of the conversation, and edits a message in a new session', async () => {
    const { page } = rig
    const old = page.url()
    await page.getByRole('button', { name: 'Fork: a new session from here' }).click()
    await page.waitForURL((url) => url.href !== old)
    await page.getByText('Then close the list.').waitFor()
    await page.getByRole('article', { name: 'You' }).hover()
    await page.getByRole('button', { name: 'Edit in a new session from here' }).click()
    await page.waitForURL('**/chat')
    assert.equal(await page.getByRole('textbox', { name: 'Message' }).inputValue(), 'Look at the notes')
  })

  it('goes on where it was when the guest is killed in the middle of an answer, and sends what was typed meanwhile once', async () => {
    const { page } = rig
    await page.getByRole('textbox', { name: 'Message' }).fill('')
    await fresh()
    await send('Say something long')
    await page.getByText('word word').waitFor()
    await rig.kill()
    await page.getByText('Oxbow does not answer').waitFor()
    await checkAccessible(page)
    await screenshot(page, 'chat-offline')
    await send('And this meanwhile')
    await page.getByText('Sending…').waitFor()
    await rig.restart()
    // It continues with the answer that was cut, or is asked anew with both messages: whichever reaches the guest first.
    await page.getByText('Both are done.').waitFor()
    await page.getByText('Sending…').waitFor({ state: 'detached' })
    const sent = page.getByRole('article', { name: 'You' })
    assert.deepEqual(await sent.locator('.chat-bubble').allTextContents(), ['Say something long', 'And this meanwhile'])
  })

  it('renames, finds, archives and deletes sessions', async () => {
    const { page } = rig
    const list = page.getByRole('complementary', { name: 'Sessions' })
    const act = async (title: string, action: string): Promise<void> => {
      await list.getByRole('link', { name: title }).first().hover()
      await list
        .getByRole('button', { name: `Actions for ${title}` })
        .first()
        .click()
      await page.getByRole('menuitem', { name: action }).click()
    }
    await act('Keep this', 'Rename…')
    await page.getByRole('textbox', { name: 'Title' }).fill('A kept file')
    await page.keyboard.press('Enter')
    await list.getByRole('link', { name: 'A kept file' }).waitFor()
    await list.getByRole('searchbox', { name: 'Search sessions' }).fill('kept')
    await list.getByRole('link', { name: 'Send me the picture' }).waitFor({ state: 'detached' })
    await act('A kept file', 'Archive')
    await list.getByText('No title has these words.').waitFor()
    await list.getByRole('button', { name: 'Show archived sessions' }).click()
    await act('A kept file', 'Delete…')
    await page.getByRole('dialog', { name: 'Delete session' }).getByRole('button', { name: 'Delete' }).click()
    await list.getByText('No title has these words.').waitFor()
  })

  it('undoes a turn that has changed no file, and offers nothing for one that has changed nothing', async () => {
    const { page } = rig
    await fresh()
    await send('Keep this')
    await page.getByText('Understood.').waitFor()
    assert.equal(await page.getByRole('button', { name: /^Change/ }).count(), 0)
    await send('Remember it')
    await page.getByText('Remembered.').waitFor()
    await page.getByRole('button', { name: 'Changes', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Changed by this turn' })
    await dialog.getByRole('region', { name: 'Undoing would' }).getByText('notes/', { exact: false }).first().waitFor()
    await dialog.getByRole('button', { name: 'Undo this' }).click()
    await dialog.getByText('All is as it was before this turn.').waitFor()
    await dialog.getByRole('button', { name: 'Close' }).last().click()
    const { lines } = await rig.call<{ lines: readonly string[] }>('memory.export', {})
    assert.doesNotMatch(lines.join('\n'), /named Bo/)
  })
})
