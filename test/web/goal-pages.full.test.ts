/** The page of goals: one is started, asked about, looked at, worked on and shown with what it came to; the heartbeat says what it found. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { stopGoal } from '../../src/terminal/index.ts'
import { asPhone, checkLook, noChromium, openPage, personAt, screenshot, type WebRig, openWebRig } from './web-fixture.ts'

const json = (value: object) => [{ events: [{ text: JSON.stringify(value) }] }]
const unclear = { goal: 0.5, constraints: 0.4, success: 0.3 }
const script = {
  turns: [
    {
      match: 'Seed\n\n',
      steps: json({
        goal: 'members.csv lists the members.',
        constraints: ['Names stay as they are.'],
        criteria: [
          { text: 'There are at least 3.', check: { kind: 'number', command: 'wc -l < members.csv', at_least: 3, runs: 1 } },
          { text: 'It has a header.', check: { kind: 'pattern', path: '/shared/members.csv', pattern: '^name' } },
        ],
        tests: [],
        tasks: [],
      }),
    },
    { match: 'Answer: CSV', steps: json({ kind: 'task', scores: { goal: 1, constraints: 1, success: 1 }, questions: [] }) },
    {
      match: 'Interview\n\n',
      steps: json({
        kind: 'task',
        scores: unclear,
        questions: [
          { type: 'single', text: 'In which format?', choices: ['CSV', 'JSON'] },
          { type: 'multi', text: 'Which columns?', choices: ['name', 'mail', 'since'] },
          { type: 'text', text: 'Where are the members?', choices: [] },
        ],
      }),
    },
    {
      match: 'Reach this goal.',
      steps: [
        {
          events: [{ tool_call: { name: 'file_write', arguments: { path: '/shared/members.csv', text: 'name\nada\ngrace\n' } } }],
        },
        { events: [{ text: 'I have written members.csv.' }] },
      ],
    },
    { match: 'It is time to look', steps: json({ message: 'The plants need water. Do you want some ordered?' }) },
  ],
}

describe('the page of goals', { skip: noChromium }, () => {
  let rig: WebRig
  let page: Page
  const { dialog, press, agree } = personAt(() => page)
  before(async () => {
    rig = await openWebRig({ script, config: { approval: { mode: 'auto' }, memory: { embedder: 'none' } } })
    page = rig.page
  })
  after(() => rig[Symbol.asyncDispose]())

  it('starts a goal, answers what it asks, shows how it is checked, and what came of it', async () => {
    await openPage(page, '/goals', 'Goals')
    await page.getByText('There are no goals.').waitFor()
    await checkLook(page, 'no goals')
    await press('New goal')
    await dialog().getByLabel('What is to be reached').fill('Make a list of the members.')
    await agree('Start')
    await page.getByLabel('In which format?').selectOption('CSV')
    await page.getByRole('switch', { name: 'name' }).click()
    await page.getByLabel('Where are the members?').fill('In my head: ada and grace.')
    await checkLook(page, 'questions of a goal')
    await screenshot(page, 'goals-questions')
    await press('Answer')
    await page.getByText('Below is how it is checked. Work on it?').waitFor()
    // The same words as in the terminal, with all that a check compares.
    const seed = page.getByLabel(/^How it is checked, seed/)
    await seed.filter({ hasText: 'There are at least 3. (`wc -l < members.csv` gives a number ≥ 3)' }).waitFor()
    await seed.filter({ hasText: '/shared/members.csv matches /^name/' }).waitFor()
    await press('Pause')
    await press('Resume')
    await press('Work on it')
    await page.getByText('Generation 1: passed, 1.00, the best').waitFor()
    await page.getByLabel('Checks of generation 1').getByText('passed').first().waitFor()
    assert.equal(readFileSync(join(rig.workspace.shared, 'members.csv'), 'utf8'), 'name\nada\ngrace\n')
    await checkLook(page, 'a goal that is reached')
    await screenshot(page, 'goals')
    await asPhone(page, () => screenshot(page, 'goals-phone'))
  })

  it('stops a goal that waits', async () => {
    await press('New goal')
    await dialog().getByLabel('What is to be reached').fill('Make another list, a long one. '.repeat(40))
    await agree('Start')
    await page.getByLabel('In which format?').waitFor()
    // What is asked and what can be done stand above the whole of a long request.
    assert.ok((await page.locator('.thing h2').innerText()).length <= 120)
    await page.getByLabel('Request', { exact: true }).waitFor()
    await press('Stop the goal')
    await dialog().getByText(stopGoal('').means).waitFor()
    await agree('Stop the goal')
    await page.getByText('A person has ended it.').waitFor()
  })

  it('turns the heartbeat on, lets it look, and shows what it says', async () => {
    const list = join(rig.workspace.shared, 'HEARTBEAT.md')
    writeFileSync(list, '- look after the plants\n')
    chmodSync(list, 0o666)
    await page.getByRole('tab', { name: 'Heartbeat' }).click()
    await page.getByText('no rights: it only proposes').waitFor()
    await press('Turn on')
    await page.getByText('every 30 minutes').waitFor()
    await press('Look now')
    await page.getByText('The plants need water. Do you want some ordered?').waitFor()
    await checkLook(page, 'the heartbeat')
    await screenshot(page, 'goals-heartbeat')
    await press('Snooze for an hour')
    await page.getByText('snoozed').waitFor()
    await press('Turn off')
    await press('Turn on')
  })
})
