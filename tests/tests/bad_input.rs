//! What must not hurt the whole process: a folder that is not to be used, damage, a full disk, files that are no modules, and clients
//! that send too much, too slowly or not to their end. The rooms' own suites have the narrow cases; here the built binary meets them.

mod clients;
mod disk;
mod folder;
mod modules;
