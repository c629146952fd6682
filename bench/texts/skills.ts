/** A thousand skills in the home of a person: how long it takes to list them, and what they cost a turn. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readSkills } from '../../src/runner/skill-files.ts'
import { createSkills } from '../../src/skills/index.ts'
import type { Sandbox } from '../../src/protocol/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, shown } from '../report.ts'
import { median } from '../statistics.ts'

const count = 1_000
const rounds = 15

export const skills: Measure = {
  name: 'skills',
  title: 'Skills',
  how: `${count} skills of the person, each a folder with a SKILL.md of 2 KB. Listed: read by the host and judged, without a word of the times before.`,
  async run() {
    const home = mkdtempSync(join(tmpdir(), 'oxbow-skills-'))
    try {
      for (let at = 0; at < count; at += 1) writeSkill(join(home, 'skills', `skill-${at}`), at)
      const listed = await repeated(rounds, async () => {
        const opened = open(home)
        await opened.section({ name: 'ox', rights: new Set(['skill.use']) })
      })
      const opened = open(home)
      await opened.section({ name: 'ox', rights: new Set(['skill.use']) })
      const turn = await repeated(1_000, async () => void opened.section({ name: 'ox', rights: new Set(['skill.use']) }))
      return [
        bounded(`${count} skills listed, p50`, ms(median(listed)), `of ${rounds} runs`, '< 50 ms', median(listed) < 50),
        shown('their section of the prompt in a later turn, p50', ms(median(turn))),
      ]
    } finally {
      rmSync(home, { recursive: true })
    }
  },
}

function writeSkill(folder: string, at: number): void {
  mkdirSync(folder, { recursive: true })
  const description = `Does thing ${at} with files of kind ${at % 7}. Use when the person asks for thing ${at}.`
  writeFileSync(
    join(folder, 'SKILL.md'),
    `---\nname: skill-${at}\ndescription: ${description}\nlicense: MIT\n---\n${'One step of many.\n'.repeat(110)}`,
  )
}

function open(home: string): ReturnType<typeof createSkills> {
  return createSkills({
    documents: { all: async () => [], change: async () => null },
    host: { skills: async () => readSkills([home]), skillFiles: async () => [] },
    sandbox: { status: { files: false } } as Sandbox,
    mounts: () => [],
    agent: 'ox',
    countTokens: async (texts) => texts.map((text) => Math.ceil(text.length / 4)),
    show: async () => '',
    nowMs: () => 0,
  })
}

async function repeated(times: number, work: () => Promise<void>): Promise<readonly number[]> {
  const took: number[] = []
  for (let round = 0; round < times; round += 1) {
    const began = performance.now()
    await work()
    took.push(performance.now() - began)
  }
  return took
}
