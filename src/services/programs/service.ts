import type { Service } from '../../kernel/index.ts'
import { runs as durable } from '../../runs/index.ts'
import { access } from '../access/service.ts'
import { agents } from '../agents/service.ts'
import type { ProgramDesk } from './program-desk.ts'

interface Needs {
  readonly access: typeof access
  readonly agents: typeof agents
  readonly runs: typeof durable
  readonly [name: string]: Service
}

/** Programs of the person: workflows of calls with declared rights, whose runs survive a restart. */
export const programs: Service<ProgramDesk, Needs> = {
  name: 'programs',
  needs: { access, agents, runs: durable },
  events: ['program'],
  verbs: {
    words: { 'Agents, schedules, budgets:': { program: 'install, check, test and run programs' } },
    load: async () => (await import('./program-verbs.ts')).programVerbs,
  },
  wakes: ['system/program_runs', 'system/program_schedules'],
  async calls(core, self, ports) {
    const [{ programCalls }, { packageCalls }, { scriptCalls }] = await Promise.all([
      import('./program-calls.ts'),
      import('./packages/package-calls.ts'),
      import('./script-calls.ts'),
    ])
    const installing = async () => (await self()).install
    return [
      ...programCalls(self),
      ...packageCalls(installing),
      ...scriptCalls({ random: core.random, schemas: core.schemas, runs: ports.runs }),
    ]
  },
  async open(core, ports) {
    const [{ createProgramDesk }, { openThreads }] = await Promise.all([import('./program-desk.ts'), import('./program-code.ts')])
    const threads = await openThreads()
    const { desk, runs, schedules } = createProgramDesk({
      ...core,
      threads,
      waitingIn: (await ports.access()).waitingIn,
      agents: await ports.agents(),
      runs: await ports.runs(),
    })
    return {
      port: desk,
      async recover() {
        await runs.load()
        await schedules.load()
      },
      release: threads.close,
    }
  },
  judges: {
    decides: ['refuse'],
    load: async (core) => (await import('./program-bounds.ts')).createProgramBounds(core),
  },
  coming: async (core, self) => (await import('./packages/tool-programs.ts')).toolPrograms(core, self),
  runs: async ({ documents }) => (await import('./program-record.ts')).runsIn(documents),
  definitions: {
    async programs(definition) {
      const { parsePackage, problemsText } = await import('./program-package.ts')
      return problemsText((await parsePackage(definition)).problems)
    },
  },
}
