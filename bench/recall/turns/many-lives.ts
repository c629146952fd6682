/**
 * Sixty facts of people who share little: beekeeper, cook, sailor, novelist, lawyer, shopkeeper, and others. Written before anything was
 * changed for them. What stands at an even place is for choosing rules, what stands at an odd place is held out.
 */
import type { ToldFact } from './turn-set.ts'

export const manyLives: readonly ToldFact[] = [
  {
    told: 'The bees in hive three are queenless since the weekend, I ordered a new one from Buckfast Abbey.',
    direct: 'Where did I order the new queen from?',
    reworded: 'Who is sending us the replacement for the colony that lost its mother?',
  },
  {
    told: 'We lease the lower meadow to a farmer named Gerrit until Martinmas.',
    direct: 'To whom do we lease the lower meadow?',
    reworded: 'Who is using our grassland at the moment?',
  },
  {
    told: 'Our choir sings the Fauré Requiem on the second Sunday of Advent.',
    direct: 'When does our choir sing the Fauré Requiem?',
    reworded: 'What date is the concert with my vocal group?',
  },
  {
    told: 'I am the treasurer of the rowing club, the books have to be closed by 31 January.',
    direct: 'By when do the books of the rowing club have to be closed?',
    reworded: 'When do I need the accounts of the association finished?',
  },
  {
    told: 'The mass spectrometer is booked for us on Wednesday afternoons.',
    direct: 'When is the mass spectrometer booked for us?',
    reworded: 'At what time of the week can our lab measure samples?',
  },
  {
    told: 'Professor Adeyemi is my second supervisor, she only reads PDFs with line numbers.',
    direct: 'Who is my second supervisor?',
    reworded: 'How should I format the chapter before sending it to my co-advisor?',
  },
  {
    told: 'The reagent freezer alarm calls Jolanta first and then me.',
    direct: 'Who does the reagent freezer alarm call first?',
    reworded: 'Whose phone rings when the cold storage gets too warm?',
  },
  {
    told: 'For the restaurant we buy our oysters from Yves in Cancale, never on Mondays.',
    direct: 'From whom do we buy our oysters?',
    reworded: 'Who supplies the shellfish for my kitchen?',
  },
  {
    told: 'The walk-in fridge has to stay below 3 degrees, the inspector was strict about that.',
    direct: 'Below how many degrees must the walk-in fridge stay?',
    reworded: 'How cold does the cooling room need to be for the health check?',
  },
  {
    told: 'Table twelve is always kept free for the Baroness on Fridays.',
    direct: 'For whom is table twelve kept free on Fridays?',
    reworded: 'Which seats must not be given away at the end of the week?',
  },
  {
    told: 'Our boat is a Hallberg-Rassy 31 called Solveig, moored in Marstrand.',
    direct: 'Where is our boat moored?',
    reworded: 'In which harbour does our yacht lie?',
  },
  {
    told: 'The outboard engine takes a 1:50 oil mix, not 1:100.',
    direct: 'Which oil mix does the outboard engine take?',
    reworded: 'What ratio do I need when I fill up the motor of the dinghy?',
  },
  {
    told: 'I get seasick quickly, ginger tablets work and the patches do not.',
    direct: 'What works against my seasickness?',
    reworded: 'I feel queasy on ships, which remedy helped me?',
  },
  {
    told: 'The novel is set in Trieste in 1919 and the narrator is a customs clerk.',
    direct: 'Where is the novel set?',
    reworded: 'In which town does my book take place?',
  },
  {
    told: 'My editor Philippa wants the second draft by Whitsun.',
    direct: 'When does my editor want the second draft?',
    reworded: 'What is my deadline with the publisher?',
  },
  {
    told: 'I write under the name J. R. Calloway so that my students do not find it.',
    direct: 'Under which name do I write?',
    reworded: 'What is my pseudonym?',
  },
  {
    told: 'The game studio ships the demo at Gamescom, and everything freezes two weeks before.',
    direct: 'Where does the studio ship the demo?',
    reworded: 'At which fair are we showing our game?',
  },
  {
    told: 'Our level format is called TRK2 and Bogdan is the only one who can read the old one.',
    direct: 'What is our level format called?',
    reworded: 'Whom should I ask about the previous map files?',
  },
  {
    told: 'We render at 48 frames per second on the handheld.',
    direct: 'At how many frames per second do we render on the handheld?',
    reworded: 'What is our target refresh on the portable console?',
  },
  {
    told: 'The nightly build machine in the cellar is named Ofenrohr.',
    direct: 'What is the nightly build machine named?',
    reworded: 'On which computer do our automatic compilations run?',
  },
  {
    told: 'I promised the charity two Saturdays a month at the food bank in Leith.',
    direct: 'How many Saturdays a month did I promise the food bank?',
    reworded: 'How often do I volunteer?',
  },
  {
    told: "The donors' list must never leave the Nextcloud folder called Walnut.",
    direct: "Which folder must the donors' list never leave?",
    reworded: 'Where do we keep the addresses of the people who give us money?',
  },
  {
    told: 'Our accountant at the charity is Mr Szymanski, he is away all August.',
    direct: 'Who is our accountant at the charity?',
    reworded: 'Which month can nobody check our finances?',
  },
  {
    told: 'I am expecting a girl in late May and we have not told my parents yet.',
    direct: 'When am I expecting a girl?',
    reworded: 'When is the baby due?',
  },
  {
    told: 'My midwife is called Roswitha and she visits on Tuesdays at ten.',
    direct: 'What is my midwife called?',
    reworded: 'Who looks after me during the pregnancy?',
  },
  {
    told: 'I can not take ibuprofen because of my kidneys.',
    direct: 'Why can I not take ibuprofen?',
    reworded: 'Which painkiller must I avoid?',
  },
  {
    told: 'The pump for my insulin is an Omnipod and the pods are changed every third day.',
    direct: 'How often are the pods of my insulin pump changed?',
    reworded: 'Which device do I use for my diabetes?',
  },
  {
    told: 'Uncle Farid lends us the cottage in the Vosges every Easter.',
    direct: 'Who lends us the cottage in the Vosges?',
    reworded: 'Where do we stay in spring?',
  },
  {
    told: 'My brother-in-law Anselm builds harpsichords and lives above his workshop.',
    direct: 'What does Anselm build?',
    reworded: 'Which relative of mine makes instruments?',
  },
  {
    told: "Theo's football training moved to Wednesday at half past five, pitch B.",
    direct: "When is Theo's football training?",
    reworded: 'What afternoon does my son have sport?',
  },
  {
    told: 'The class goes to the Lake District in June and needs wellies and a torch.',
    direct: 'Where does the class go in June?',
    reworded: 'What must be packed for the school trip?',
  },
  {
    told: 'The headmistress is Ms Abernathy and she wants absences reported before eight.',
    direct: 'Who is the headmistress?',
    reworded: 'Until when in the morning do I have to say that my child is sick?',
  },
  {
    told: 'We painted the bedroom in a green called Lichen Moss from Ressource.',
    direct: 'In which green did we paint the bedroom?',
    reworded: 'Which colour are the walls where we sleep?',
  },
  {
    told: 'The tiler comes back on the 19th to do the grout in the upstairs bathroom.',
    direct: 'When does the tiler come back?',
    reworded: 'What day will the shower be finished?',
  },
  {
    told: 'The fuse for the kitchen is the fourth from the left, unlabelled.',
    direct: 'Which fuse is for the kitchen?',
    reworded: 'The oven has no power, what do I have to flip?',
  },
  {
    told: 'We chose heat pumps over gas after the quote from Nordwarm.',
    direct: 'What did we choose over gas?',
    reworded: 'How are we going to warm the building?',
  },
  {
    told: 'My passport expires on 3 November and the photo still shows the beard.',
    direct: 'When does my passport expire?',
    reworded: 'Until when are my travel papers valid?',
  },
  {
    told: 'I fly to Nairobi with KLM on the 8th, aisle seat, vegetarian meal.',
    direct: 'When do I fly to Nairobi?',
    reworded: 'Which airline am I taking to Kenya?',
  },
  {
    told: 'The hire car in Palermo is from a firm called Sicilcar, deposit 400.',
    direct: 'From which firm is the hire car in Palermo?',
    reworded: 'With whom did I rent a vehicle for Sicily?',
  },
  {
    told: 'In Kyoto we stay at the ryokan Hiiragi, three nights.',
    direct: 'Where do we stay in Kyoto?',
    reworded: 'What is our accommodation in Japan?',
  },
  {
    told: 'The court hearing of the Delacroix case is on 27 April in room 4.',
    direct: 'When is the court hearing of the Delacroix case?',
    reworded: 'What day do I have to appear before the judge?',
  },
  {
    told: 'Opposing counsel is Brandt and Kessler, they answer faxes only.',
    direct: 'Who is opposing counsel?',
    reworded: 'Which firm represents the other side?',
  },
  { told: 'We bill 240 an hour and travel at half.', direct: 'How much do we bill an hour?', reworded: 'What is our rate for clients?' },
  {
    told: 'Letters to the registry need two copies and a blue stamp.',
    direct: 'How many copies do letters to the registry need?',
    reworded: 'What do I have to watch for in mail to that office?',
  },
  {
    told: 'In the warehouse the cartons for export stand in aisle 17.',
    direct: 'In which aisle do the cartons for export stand?',
    reworded: 'Where do I find the boxes that go abroad?',
  },
  {
    told: 'The forklift licence of Emeka ran out, only Sunniva may drive it.',
    direct: 'Who may drive the forklift?',
    reworded: 'Which colleague is allowed to move pallets by machine?',
  },
  {
    told: 'Our shop closes for stocktaking on the last Thursday of the quarter.',
    direct: 'When does our shop close for stocktaking?',
    reworded: 'On which day do we count the inventory?',
  },
  {
    told: 'The card terminal needs a restart when it shows error 91.',
    direct: 'What does the card terminal need when it shows error 91?',
    reworded: 'Customers cannot pay with plastic, how did we fix it?',
  },
  {
    told: 'The Kafka topic for orders is called ord.v7 and keeps data for nine days.',
    direct: 'What is the Kafka topic for orders called?',
    reworded: 'How long is our event stream of purchases retained?',
  },
  {
    told: 'We pin Terraform to 1.5 because of the licence.',
    direct: 'To which version do we pin Terraform?',
    reworded: 'Which release of our infrastructure tool must we not go beyond?',
  },
  {
    told: 'Pull requests on the firmware need a review by Oksana.',
    direct: 'Who must review pull requests on the firmware?',
    reworded: 'Who has to approve changes to the embedded code?',
  },
  {
    told: 'The team retro is every other Monday at 15:30 on Jitsi.',
    direct: 'When is the team retro?',
    reworded: 'What tool do we use for our look back at the sprint?',
  },
  {
    told: 'Our error budget for the checkout is 0.2 percent per month.',
    direct: 'What is our error budget for the checkout?',
    reworded: 'How much downtime may the payment page have?',
  },
  {
    told: 'Customers in Quebec must get the French contract, legal insists.',
    direct: 'Which contract must customers in Quebec get?',
    reworded: 'What language do the Canadian papers have to be in?',
  },
  {
    told: 'I shoot on a Pentax 67 with the 105 mm lens, mostly Portra 400.',
    direct: 'Which camera do I shoot on?',
    reworded: 'What film do I normally load?',
  },
  {
    told: 'The darkroom key hangs behind the fire extinguisher.',
    direct: 'Where does the darkroom key hang?',
    reworded: 'How do I get into the room where I develop pictures?',
  },
  {
    told: 'My running coach Dagny wants me below 150 beats on easy days.',
    direct: 'Below how many beats does my coach want me on easy days?',
    reworded: 'What pulse should I keep on relaxed runs?',
  },
  {
    told: 'The half marathon in Utrecht is on 16 March, I start in block D.',
    direct: 'When is the half marathon in Utrecht?',
    reworded: 'Which race am I preparing for?',
  },
  {
    told: "My grandmother's goulash has caraway, no tomatoes and three hours of patience.",
    direct: "What is in my grandmother's goulash?",
    reworded: 'How did granny make her stew?',
  },
  {
    told: 'I hate phone calls, write me a mail if anything needs a decision.',
    direct: 'What do I hate?',
    reworded: 'How do I want to be contacted?',
  },
]
