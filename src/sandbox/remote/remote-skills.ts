/**
 * Files of skills that an isolated guest shows in its sandbox: its runner puts them where sandboxes see them, read-only. A connection is one
 * skill: a line of JSON, answered with the folder. A hostile guest gains nothing: what it shows runs only where agents' commands run.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { isObject } from '../../base/index.ts'
import type { HostSkillFile } from '../../config/index.ts'
import { maxPassLineBytes, maxServedSkills, maxSkillLineBytes } from '../limits.ts'
import type { ShownSkills } from '../shown-skills.ts'
import { askRunner, failedAnswer, failedAnswerTo, type Listening, listenAt, readLine } from './local-socket.ts'

function isFile(value: unknown): boolean {
  return (
    isObject(value) && typeof value['path'] === 'string' && typeof value['executable'] === 'boolean' && typeof value['base64'] === 'string'
  )
}

const shownSkill = z.strictObject({
  name: z.string(),
  hash: z.string(),
  files: z.array(z.custom<HostSkillFile>(isFile)),
})
const answer = z.union([z.strictObject({ folder: z.string() }), failedAnswer])
type Answer = z.infer<typeof answer>

const skillsSocket = (folder: string): string => join(folder, 'skills.sock')

/** The runner's end. @throws a system error when the socket cannot be made */
export function serveSkills(skills: ShownSkills, folder: string): Promise<Listening> {
  return listenAt(skillsSocket(folder), maxServedSkills, (socket) => {
    readLine(socket, maxSkillLineBytes)
      .then(async (line): Promise<Answer> => {
        const { name, hash, files } = shownSkill.parse(JSON.parse(line))
        const decoded = files.map(({ base64, ...file }) => ({ ...file, content: Buffer.from(base64, 'base64') }))
        return { folder: await skills.show(name, hash, decoded) }
      })
      .catch((error: unknown): Answer => failedAnswerTo(error, 'sandbox_failed', 'Start Oxbow again.'))
      .then((reply) => socket.end(`${JSON.stringify(reply)}\n`))
      .catch(() => socket.destroy())
  })
}

/** The guest's end. */
export function connectSkills(folder: string): ShownSkills {
  return {
    async show(name, hash, files) {
      const encoded = files.map(({ content, ...file }) => ({ ...file, base64: Buffer.from(content).toString('base64') }))
      const asked = { name, hash, files: encoded }
      return (await askRunner(skillsSocket(folder), asked, answer, 'files of skills', { maxBytes: maxPassLineBytes })).folder
    },
  }
}
