UPDATE main.account SET balance = NULL, touched = 0;
