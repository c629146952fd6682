/**
 * Questions that name something that was said, as most questions of people do: the thing itself (`{k}`, a word of the value), or a
 * circumstance that one way of saying it has. They are asked as often as those that share no word.
 */
export interface AnchoredAsks {
  readonly asks: readonly string[]
  /** With `{k}`. */
  readonly when: string
  readonly changed: readonly string[]
}

export const anchoredAsks: Readonly<Record<string, AnchoredAsks>> = {
  pet: {
    asks: ['What did {P} bring home from the shelter?', 'Who sleeps on the feet of {P}?', 'Who moved in with {P}?'],
    when: 'When did {P} get the {k}?',
    changed: ['What took over the sofa of {P}?', 'What does {P} have since the old one went to the uncle?'],
  },
  flat: {
    asks: ['For which place did {P} sign a lease?', 'Where did {P} move to?', 'For what new address did {P} get the keys?'],
    when: 'When did {P} move to {k}?',
    changed: ['Where is {P} since the landlord sold the building?', 'What is the latest address of {P}?'],
  },
  family: {
    asks: [
      'What good news came from the hospital for {P}?',
      'Whom did {P} hold for the first time?',
      'Who made them one more in the family of {P}?',
    ],
    when: 'When was {k} born, according to {P}?',
    changed: [],
  },
  partner: {
    asks: ['Who proposed to {P} in the rain?', 'Whom is {P} getting married to?', 'With whom did {P} become a couple?'],
    when: 'When did {P} and {k} get engaged?',
    changed: ['Whom has {P} met since they broke up?', 'To whom does {P} come home?'],
  },
  garden: {
    asks: ['What did {P} plant?', 'What did {P} put into the ground?', 'What did {P} start with the neighbours?'],
    when: 'When did {P} plant the {k}?',
    changed: ['What is in the patch of {P} after the snails?', 'What did {P} put in after the digging?'],
  },
  allergy: {
    asks: ['What did the tests of {P} show?', 'Why was {P} in the emergency room?', 'What did the doctor tell {P} to keep away from?'],
    when: 'When did {P} learn about the {k}?',
    changed: [],
  },
  job: {
    asks: [
      'As what does {P} start?',
      'What did {P} become after handing in the notice?',
      'What was the first day of {P} like, and as what?',
    ],
    when: 'When did {P} start as {k}?',
    changed: ['What does the badge of {P} say now?', 'What has {P} become after they let people go?'],
  },
  course: {
    asks: ['What did {P} sign up for?', 'What is {P} a beginner in?', 'Of what did {P} have the first evening?'],
    when: 'When was the first {k} lesson of {P}?',
    changed: ['What evening class did {P} swap to?', 'Where does {P} go after dropping out?'],
  },
  project: {
    asks: ['For what did {P} register a domain?', 'What did {P} tell the group about?', 'What is new on the desk of {P}?'],
    when: 'When did {P} begin with the {k}?',
    changed: ['What do the evenings of {P} go into now?', 'What is the plan of {P} since the old idea died?'],
  },
  exam: {
    asks: ['What did {P} pass?', 'What is {P} through with, with two mistakes?', 'What is behind {P} at last?'],
    when: 'When did {P} pass the {k}?',
    changed: [],
  },
  volunteering: {
    asks: ['Where did {P} give a first shift?', 'Where does {P} help out four hours a week?', 'Who needed hands, so that {P} went?'],
    when: 'When did {P} join the {k}?',
    changed: ['To whom do the Saturdays of {P} belong now?', 'Where has {P} moved on to from the old team?'],
  },
  deadline: {
    asks: ['What did {P} send off before midnight?', 'What did {P} post and then sleep?', 'What is out of the house of {P}?'],
    when: 'When did {P} hand in the {k}?',
    changed: [],
  },
  trip: {
    asks: ['Where did {P} fly with one backpack?', 'Where did {P} get back from?', 'Where did {P} forget about the phone?'],
    when: 'When was {P} in {k}?',
    changed: [],
  },
  sport: {
    asks: ['What did {P} try until the arms hurt?', 'What does {P} do twice a week?', 'What was {P} talked into?'],
    when: 'When did {P} start {k}?',
    changed: ['What does {P} do since the knee said no?', 'What is {P} hooked on since the team dissolved?'],
  },
  instrument: {
    asks: ['What has {P} been learning three tunes on?', 'What does {P} practise in the cellar?', 'What did {P} play in front of people?'],
    when: 'When did {P} get the {k}?',
    changed: ['What suits the fingers of {P} better?', 'What is {P} on since the loud one was sold?'],
  },
  reading: {
    asks: ['What did {P} finish and miss?', 'What did {P} stay up with until four?', 'What did {P} close and start again?'],
    when: 'When did {P} finish the one about {k}?',
    changed: [],
  },
  vehicle: {
    asks: ['What did {P} buy that has a name?', 'What does {P} own for the hills?', 'For what did {P} give up buses?'],
    when: 'When did {P} buy the {k}?',
    changed: ['What did {P} get after the motorway?', 'What does {P} ride since the sale to a student?'],
  },
  injury: {
    asks: ['What does {P} have from the ladder?', 'What did {P} come out of the hospital with?', 'Why does {P} need six weeks of rest?'],
    when: 'When did {P} get the {k}?',
    changed: [],
  },
  dish: {
    asks: ['What did {P} make for eight people?', 'What came out perfect at {P} after two ruined pots?', 'What did {P} make from a video?'],
    when: 'When did {P} make the {k}?',
    changed: [],
  },
  loss: {
    asks: ['What did {P} leave on a train?', 'What was taken from the coat of {P}?', 'What did {P} notice to be gone?'],
    when: 'When did {P} lose the {k}?',
    changed: [],
  },
}
