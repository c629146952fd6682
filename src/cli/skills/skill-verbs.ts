/** `oxbow skills` with its verbs. */
import { type AddVerbs, dryRunOption, examples, userVerb, verbGroup } from '../verb-parts.ts'

const load = () => import('./skills.ts')

export const addSkillVerbs: AddVerbs = (program, terminal, choose) => {
  const json = ['--json', 'print the output as one JSON value'] as const
  const skills = verbGroup(
    program.command('skills'),
    'list, check and trust skills, instructions of folders and commands',
    'oxbow skills list',
    'oxbow skills trust /shared/site/AGENTS.md',
  )
  userVerb(skills.command('list'), 'list skills, instructions and commands: what counts, what waits for trust, what is hidden')
    .option(...json)
    .addHelpText('after', examples('oxbow skills list', 'oxbow skills list --json'))
    .action((options) => choose(async () => (await load()).skillsList(options, terminal)))
  userVerb(skills.command('show <which>'), 'show a skill, /command or AGENTS.md with its hash, and what has changed since it was trusted')
    .option(...json)
    .addHelpText('after', examples('oxbow skills show code-review', 'oxbow skills show /shared/AGENTS.md'))
    .action((which, options) => choose(async () => (await load()).skillShow(which, options, terminal)))
  userVerb(skills.command('verify <which>'), 'check a skill against the format of agentskills.io: by name, or a folder of this machine')
    .option(...json)
    .addHelpText('after', examples('oxbow skills verify ./my-skill', 'oxbow skills verify code-review'))
    .action((which, options) => choose(async () => (await load()).skillVerify(which, options, terminal)))
  userVerb(skills.command('trust <which>'), 'show what came with a folder, and trust it as it is now')
    .option('--hash <hash>', 'trust without a question what `show --json` has shown with this hash')
    .option(...json)
    .addHelpText('after', examples('oxbow skills trust deploy', 'oxbow skills trust /shared/site/AGENTS.md', 'oxbow skills trust /review'))
    .action((which, options) => choose(async () => (await load()).skillTrust(which, options, terminal)))
  userVerb(skills.command('revoke <which>'), 'take back the trust in a skill, a /command or an AGENTS.md')
    .option(...dryRunOption)
    .option(...json)
    .addHelpText('after', examples('oxbow skills revoke deploy', 'oxbow skills revoke deploy --dry-run'))
    .action((which, options) => choose(async () => (await load()).skillRevoke(which, options, terminal)))
}
