/** `oxbow skills` with its verbs. */
import { type AddVerbs, examples, userVerb, verbGroup } from '../verb-parts.ts'

const load = () => import('./skills.ts')

export const addSkillVerbs: AddVerbs = (program, terminal, choose) => {
  const skills = verbGroup(
    program.command('skills'),
    'list, check and trust skills, instructions of folders and commands',
    'oxbow skills list',
    'oxbow skills trust /shared/site/AGENTS.md',
  )
  userVerb(skills.command('verify <skill>'), 'check a skill against the format of agentskills.io: by name, or a folder of this machine')
    .option('--json', 'print the output as one JSON value')
    .addHelpText('after', examples('oxbow skills verify ./my-skill', 'oxbow skills verify skill-writing'))
    .action((which, options) => choose(async () => (await load()).skillVerify(which, options, terminal)))
}
