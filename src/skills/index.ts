/** Skills, instructions of folders, and commands: found, judged, trusted, and disclosed step by step. */
export { readSkill } from './skill-file.ts'
export { createSkills, describedSkillCalls } from './skills.ts'
export { skillVerbs } from './skill-verbs.ts'
