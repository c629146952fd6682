/**
 * A tier that takes seconds to try out is tried once for each start of the machine, and again when something of what it is made of has
 * changed: programs, image, configuration, Node, hands, the user, who may use /dev/kvm. What does not work is tried each time: somebody is mending it.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { engineVariables } from '../../types/index.ts'
import type { DoctorCheck } from '../../types/index.ts'
import { bootId, keptAnswer } from '../kept-answer.ts'
import { attempt } from './attempt.ts'
import type { Attempt } from './attempt.ts'
import { kvmUsers } from '../micro-vm/accelerator.ts'
import { handsMark, imagesName } from '../micro-vm/image/image-folder.ts'
import { findHandsEntry, loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { ownSearchPath } from '../bubblewrap/sandbox-tools.ts'
import { findEngine, findImage, installationOf } from '../container/container-engine.ts'
import { processTier } from './tier-attempts.ts'
import type { Machine } from './tier-attempts.ts'

const programs = ['bwrap', 'podman', 'docker', 'runc', 'runsc', 'qemu-system-x86_64', 'mke2fs', 'msb']

/** Never rejects. */
export async function keptCheck(each: Attempt, machine: Machine): Promise<DoctorCheck> {
  // Quick, and what everything else is tried in.
  if (each.name === processTier) return attempt(each)
  const folder = machine.cacheFolder
  if (folder === undefined) return attempt(each)
  let isNew = false
  const find = (): Promise<DoctorCheck> => {
    isNew = true
    return attempt(each)
  }
  const file = join(folder, 'doctor', `${each.name.replaceAll(/\W+/g, '-')}.json`)
  const check = await keptAnswer(file, await questionOf(each, machine), find, ({ state }) => state !== 'missing')
  return isNew
    ? check
    : { ...check, says: `${check.says} (found before, since the machine started)`, ms: 0, required: each.required ?? false }
}

async function questionOf({ name }: Attempt, { limits, searchPath = ownSearchPath(), imageFolder = '' }: Machine): Promise<string> {
  const made = [
    ...searchPath.split(':').flatMap((folder) => programs.map((program) => join(folder, program))),
    join(imageFolder, imagesName),
  ]
  const told = engineVariables.map((variable) => process.env[variable] ?? '')
  const engine = findEngine(limits.container, searchPath)
  const image = 'code' in engine ? null : await findImage(engine, limits.container.image, installationOf(imageFolder))
  // Of another Oxbow: its machines need another image.
  const hands = handsMark(loadHandsProgram(findHandsEntry()))
  const stamps = [...new Set(made)].map(stampOf)
  return JSON.stringify([bootId(), name, process.version, process.getuid?.() ?? '', kvmUsers(), limits, told, image, hands, stamps])
}

/** Another one when a file or folder was written. */
function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? '' : `${stats.mtimeMs} ${stats.size}`
}
