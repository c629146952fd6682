/** Answers what a guest asks about programs of the host. It is installed by the hash of the files that the person was shown. */
import { userInfo } from 'node:os'
import { assertNever, systemClock } from '../../base/index.ts'
import type { ProgramQuestion, StagedProgram } from '../../config/index.ts'
import type { Home, HostEnv, Workspace } from '../home.ts'
import { discard } from '../plugins/install.ts'
import { otherFiles } from '../plugins/plugin-questions.ts'
import { changeProgram, commitProgram, stageProgram, testsOf } from './install-program.ts'
import { newProgram } from './new-program.ts'

interface ProgramPlace {
  readonly home: Home
  readonly workspace: Workspace
  readonly env: HostEnv
}

/** @throws OxbowError for what cannot be answered */
export async function answerProgram({ home, workspace, env }: ProgramPlace, question: ProgramQuestion): Promise<unknown> {
  switch (question.ask) {
    case 'look_at_program':
    case 'install_program':
      return staged(home, env, question)
    case 'change_program':
      return changeProgram(home, question.program, question.change, question.hash)
    case 'program_tests':
      return testsOf(home, [home.root, workspace.root], question.program)
    case 'new_program':
      return newProgram(question.folder)
    default:
      return assertNever(question)
  }
}

async function staged(home: Home, env: HostEnv, question: Extract<ProgramQuestion, { readonly source: string }>): Promise<StagedProgram> {
  const found = await stageProgram(home, env, question.source, question.program)
  try {
    if (question.ask === 'look_at_program') return found.view
    if (found.view.hash !== question.hash) throw otherFiles(found.view.hash)
    await commitProgram(home, found, userInfo().username, systemClock.now())
    return found.view
  } finally {
    await discard(found.folder)
  }
}
